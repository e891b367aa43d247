"""The section `login` of the YAML file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .types import Duration, Flag, Places, SettingsSection


class ThrottleSettings(SettingsSection):
    """How often a password may be guessed, on all servers together."""

    max_attempts: Places = 10
    """At most this many failed sign-ins with one user name from one address (IPv6: one /64) within the window."""

    max_attempts_per_address: Places = 300
    """At most this many failed sign-ins from one address within the window, with any user names. Many users may share an address."""

    max_attempts_per_name: Places = 100
    """At most this many failed sign-ins with one user name within the window, from any addresses."""

    window_s: Duration = 15 * 60
    """For how long a failed sign-in counts."""

    remember_browsers_s: Annotated[Duration, Field(ge=0)] = 180 * 86400
    """For how long a browser in which a user has signed in is exempt, for this user, from the three limits above: a cookie names it, and
    it has a limit of `max_attempts` of its own. Guesses of others then never lock the user out. `0s` remembers no browser."""


class LoginSettings(SettingsSection):
    """Sign-in with user name and password."""

    throttle: ThrottleSettings = ThrottleSettings()
    """Limits on guessing."""

    cheap_passwords_for_benchmarks: Flag = False
    """Allows users with a plain `password`, checked without a password hash. For measuring alone: it needs an issuer and a listening
    address on this machine."""

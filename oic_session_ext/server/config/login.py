"""The section `login` of the YAML file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .types import Duration, Flag, Places, SettingsSection


class ThrottleSettings(SettingsSection):
    """Limits on failed sign-ins, for all servers together."""

    max_attempts: Places = 10
    """At most this many failed sign-ins with one user name from one address (IPv6: one /64) within the window."""

    max_attempts_per_address: Places = 300
    """At most this many failed sign-ins from one address within the window, with any user names. Many users may share an address."""

    max_attempts_per_name: Places = 100
    """At most this many failed sign-ins with one user name within the window, from any addresses."""

    window_s: Duration = 15 * 60
    """How long a failed sign-in counts."""

    remember_browsers_s: Annotated[Duration, Field(ge=0)] = 180 * 86400
    """How long a browser in which a user has signed in is exempt, for this user, from the three limits above. A cookie identifies the
    browser, which has its own limit of `max_attempts`. Guesses from other browsers therefore never lock the user out. `0s` disables
    this."""


class LoginSettings(SettingsSection):
    """Sign-in with user name and password."""

    throttle: ThrottleSettings = ThrottleSettings()
    """Limits on failed sign-ins."""

    cheap_passwords_for_benchmarks: Flag = False
    """Allows users with a plain `password`, checked without a password hash. For benchmarks only: the issuer and the listening address
    must be on this machine."""

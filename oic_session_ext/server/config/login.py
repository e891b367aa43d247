"""The section `login` of the YAML file."""

from __future__ import annotations

from .types import Count, Duration, Flag, SettingsSection


class ThrottleSettings(SettingsSection):
    """How often a password may be guessed."""

    max_attempts: Count = 10
    """So many failed sign-ins within the window are followed by a refusal."""

    window_s: Duration = 15 * 60
    """The window in which failed sign-ins are counted."""


class LoginSettings(SettingsSection):
    """Sign-in with user name and password."""

    throttle: ThrottleSettings = ThrottleSettings()
    """Limits on guessing."""

    cheap_passwords_for_benchmarks: Flag = False
    """Allows users with a plain `password`, checked without a password hash. For measuring alone: it needs an issuer and a listening
    address on this machine."""

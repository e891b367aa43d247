"""The sections `metrics`, `logging`, `pages` and `signing_keys` of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ...validation import Problem
from .types import ConfigPath, Flag, SecretSource, SettingsSection, _access_token_problems, _holds


class MetricsSettings(SettingsSection):
    """Counts and gauges for Prometheus, at `/metrics` below the issuer."""

    access_token: SecretSource
    """Where the access token is kept that Prometheus shows as `Authorization: Bearer`."""

    def problems(self) -> Iterator[Problem]:
        """Yield a token that is missing or too short."""
        yield from _access_token_problems("access_token", self.access_token)

    def is_access_token(self, given: str) -> bool:
        """Tell in constant time whether `given` is the access token, read anew; a lost file refuses everybody."""
        return _holds(self.access_token, given)


class PageSettings(SettingsSection):
    """What people see."""

    folder: ConfigPath | None = None
    """A folder whose templates and static files are taken before the built-in ones of the same name."""

    def problems(self) -> Iterator[Problem]:
        """Yield a folder that is not there."""
        if self.folder is not None and not self.folder.is_dir():
            yield ("folder",), f"{self.folder} is not a folder"


class LoggingSettings(SettingsSection):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is written."""

    format: Literal["console", "json"] = "console"
    """`console` for people, `json` (one object per line) for machines."""


class KeySource(SettingsSection):
    """Where the private signing keys are kept: exactly one of the three. A path alone is a file."""

    file: ConfigPath | None = None
    """A file that holds them, readable by the server alone."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable that holds them."""

    in_store: Flag = False
    """Whether they are in the store, sealed with the secrets: then these alone are handed to each server."""

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the choice; whether the keys are good is found out at start."""
        if [self.file is not None, self.env is not None, self.in_store].count(True) != 1:
            yield (), "must have exactly one of file, env, in_store: true"

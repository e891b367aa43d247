"""The sections `metrics`, `logging`, `pages` and `signing_keys` of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ...validation import Problem
from .types import ConfigPath, Flag, SecretSource, SettingsSection, access_token_problems, matches_secret


class MetricsSettings(SettingsSection):
    """Counts and gauges for Prometheus, at `/metrics` below the issuer."""

    access_token: SecretSource
    """The source of the access token that Prometheus sends as `Authorization: Bearer`."""

    def problems(self) -> Iterator[Problem]:
        """Yield a token that is missing or too short."""
        yield from access_token_problems("access_token", self.access_token)

    def is_access_token(self, given: str) -> bool:
        """Return in constant time whether `given` is the access token.

        The token is read anew for each request; if its file is missing, every request is refused.
        """
        return matches_secret(self.access_token, given)


class PageSettings(SettingsSection):
    """The pages that users see."""

    folder: ConfigPath | None = None
    """A folder whose templates and static files replace the built-in ones of the same name."""

    def problems(self) -> Iterator[Problem]:
        """Yield a folder that does not exist."""
        if self.folder is not None and not self.folder.is_dir():
            yield ("folder",), f"{self.folder} is not a folder"


class LoggingSettings(SettingsSection):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""

    format: Literal["console", "json"] = "console"
    """`console`: readable text. `json`: one object per line."""


class KeySource(SettingsSection):
    """The source of the private signing keys: exactly one of the three. A plain path is a file."""

    file: ConfigPath | None = None
    """A file with the keys, readable by the server only."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable with the keys."""

    in_store: Flag = False
    """Whether the keys are in the store, encrypted with the secrets; then each server needs the secrets only."""

    def problems(self) -> Iterator[Problem]:
        """Yield problems of the choice; the keys themselves are verified at start."""
        if [self.file is not None, self.env is not None, self.in_store].count(True) != 1:
            yield (), "must have exactly one of file, env, in_store: true"

"""Types of the server's settings: a section, a duration, a path, a secret outside of the file.

Messages are for the person who edits the YAML file: they have the problem and the allowed values, and never a value that may
be secret.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, ValidationInfo
from pydantic_core import PydanticCustomError

from ...cluster.attempt_limit import MAX_PLACES
from ...validation import Problem, ValidatedModel

_DURATION = re.compile(r"(\d{1,9})([smhd]?)")
_SECONDS_IN = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_DURATION_S = 3650 * 86400


class SettingsSection(ValidatedModel):
    """A part of the file. A duration is `idle_timeout` in the file and `idle_timeout_s` in Python."""

    model_config = ConfigDict(alias_generator=lambda name: name.removesuffix("_s"))


def parse_duration(value: object) -> int:
    """Return the seconds in `90s`, `30m`, `8h`, `14d` or a plain number of seconds.

    Raises: PydanticCustomError: it is none of these, zero, or longer than ten years.
    """
    match = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip(" "))
    seconds = int(match[1]) * _SECONDS_IN[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST_DURATION_S:
        raise PydanticCustomError("refused", "must be a duration such as 90s, 30m, 8h or 14d, more than zero and at most 3650d")
    return seconds


def resolve_path(value: object, info: ValidationInfo) -> object:
    """Return a path; a relative one starts at the folder of the settings file."""
    if not isinstance(value, str | Path):
        return value
    if not str(value) or "\0" in str(value):
        raise PydanticCustomError("refused", "must be the path of a file or folder")
    return base_folder(info) / value


def base_folder(info: ValidationInfo) -> Path:
    """Return the folder at which relative paths start: the settings file's, or else the working directory."""
    context: Any = info.context or {}
    return Path(context.get("folder", Path.cwd()))


Duration = Annotated[int, BeforeValidator(parse_duration)]
Flag: TypeAlias = StrictBool
Count = Annotated[StrictInt, Field(ge=1)]
Places = Annotated[StrictInt, Field(ge=1, le=MAX_PLACES)]
"""A limit on attempts that all servers share."""
ConfigPath = Annotated[Path, BeforeValidator(resolve_path)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class SecretSource(SettingsSection):
    """The source of a secret outside of the settings file: exactly one of the two."""

    file: ConfigPath | None = None
    """A file with the secret, readable by the server only."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable with the secret."""

    def problems(self) -> Iterator[Problem]:
        """Yield problems of the choice; the section that owns the secret verifies the secret itself."""
        if (self.file is None) == (self.env is None):
            yield (), "must have exactly one of file, env"

    def read(self) -> str:
        """Return the secret without surrounding white space.

        Raises: ValueError: it is missing, unreadable or empty; the message has its source, never the secret.
        """
        if self.env is not None:
            secret = os.environ.get(self.env, "").strip()
            place = f"the environment variable {self.env}"
        else:
            assert self.file is not None  # verified by problems()
            secret, place = _text_of(self.file), str(self.file)
        if not secret:
            raise ValueError(f"{place} is not set or empty; it must have the secret")
        return secret


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as err:
        raise ValueError(f"{file} cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ValueError(f"{file} is not UTF-8 text") from err


_SHORTEST_ACCESS_TOKEN = 32


def access_token_problems(key: str, source: SecretSource) -> Iterator[Problem]:
    """Yield an access token that is missing or too short."""
    try:
        if len(source.read()) < _SHORTEST_ACCESS_TOKEN:
            yield (key,), f"must have at least {_SHORTEST_ACCESS_TOKEN} characters"
    except ValueError as err:
        yield (key,), str(err)


def matches_secret(source: SecretSource, given: str) -> bool:
    """Return in constant time whether `given` is the source's secret, read anew; False if it cannot be read."""
    try:
        expected = source.read()
    except ValueError:
        return False
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))

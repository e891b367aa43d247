"""What the server's settings are made of: a section, a duration, a path, a secret kept elsewhere.

Values come from one YAML file; a message here is read by the person who edits that file, so it says what is wrong
and what is allowed, and never repeats a value that may be secret.
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
    """Return the folder that relative paths start at: the settings file's, else the working directory."""
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
    """Where a secret is kept, outside of the settings file: exactly one of the two."""

    file: ConfigPath | None = None
    """A file that holds the secret, readable by the server alone."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable that holds the secret."""

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the choice; whether the secret is there is asked by its owner."""
        if (self.file is None) == (self.env is None):
            yield (), "must have exactly one of file, env"

    def read(self) -> str:
        """Return the secret without surrounding white space.

        Raises: ValueError: it is not there, not readable, or empty; the message names the place, never the secret.
        """
        if self.env is not None:
            secret = os.environ.get(self.env, "").strip()
            place = f"the environment variable {self.env}"
        else:
            assert self.file is not None  # problems() saw to it
            secret, place = _text_of(self.file), str(self.file)
        if not secret:
            raise ValueError(f"{place} is not set or empty; it must hold the secret")
        return secret


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as err:
        raise ValueError(f"{file} cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ValueError(f"{file} is not UTF-8 text") from err


_SHORTEST_ACCESS_TOKEN = 32


def _access_token_problems(key: str, source: SecretSource) -> Iterator[Problem]:
    try:
        if len(source.read()) < _SHORTEST_ACCESS_TOKEN:
            yield (key,), f"must hold at least {_SHORTEST_ACCESS_TOKEN} characters"
    except ValueError as err:
        yield (key,), str(err)


def _holds(source: SecretSource, given: str) -> bool:
    try:
        expected = source.read()
    except ValueError:
        return False
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))

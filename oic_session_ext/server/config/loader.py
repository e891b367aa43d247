"""Load settings from a YAML file and report all problems at once, each with the key's full path and its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ...errors import ConfigError, SessionExtError
from ...web.printable import printable
from .settings import ServerSettings
from .types import SettingsSection
from .yaml_document import Location, YamlDocument, format_location, read_yaml


class SettingsFileError(SessionExtError):
    """A settings file cannot be used; `problems` has every problem, ordered by line."""

    def __init__(self, file: Path, problems: Sequence[ConfigError]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(self.lines()))

    def lines(self) -> Iterator[str]:
        """Yield one line per problem: `FILE:LINE: KEY: what is wrong and what is allowed`."""
        for problem in self.problems:
            place = self.file if problem.line is None else f"{self.file}:{problem.line}"
            yield printable(f"{place}: {problem.path}: {problem.problem}")


def load_settings(file: Path) -> ServerSettings:
    """Return the settings in a file; relative paths in it start at its folder.

    Raises: SettingsFileError: it cannot be read, is not YAML, or a setting is missing or wrong.
    """
    try:
        data = file.read_bytes()
    except OSError as err:
        raise SettingsFileError(file, [ConfigError("the file", f"cannot be read: {err.strerror}")]) from err
    document = read_yaml(data)
    problems = document.problems
    if not problems and not isinstance(document.value, dict):
        wrong = "is empty" if document.value is None else "is not a section of keys and values"
        problems = [ConfigError("the file", f"{wrong}; it needs lines such as issuer: https://op.example.com", document.line_of(()))]
    if problems:
        raise SettingsFileError(file, problems)
    try:
        return ServerSettings.model_validate(document.value, context={"folder": file.absolute().parent})
    except ValidationError as err:
        found = err.errors(include_url=False)
        # pydantic counts only the valid entries of a list: do not report a list as too short because of an invalid entry
        inner = {details["loc"][:depth] for details in found for depth in range(len(details["loc"]))}
        problems = [_problem(details, document) for details in found if not (details["type"] == "too_short" and details["loc"] in inner)]
        raise SettingsFileError(file, problems) from None  # pydantic's text contains the values, including secrets


def section_of(field: FieldInfo | None) -> type[SettingsSection] | None:
    """Return the section type of a field or of its entries; None if it has plain values."""
    pending = [field.annotation] if field is not None else []
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, SettingsSection):
            return annotation
        pending.extend(get_args(annotation))
    return None


def fields_by_key(section: type[SettingsSection]) -> Mapping[str, FieldInfo]:
    """Return a section's fields by their names in the file, in the order of declaration."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _problem(details: ErrorDetails, document: YamlDocument) -> ConfigError:
    location: Location = details["loc"]
    problem = _unknown_key(location) if details["type"] == "extra_forbidden" else _message(details)
    return ConfigError(format_location(location), problem, document.line_of(location))


def _message(details: ErrorDetails) -> str:
    """Return the problem and the allowed values. The value is not included, because it may be secret."""
    kind, context = details["type"], details.get("ctx", {})
    must = _MUST.get(kind)
    if must is None:
        return details["msg"]
    return must.format(**context) + (f", not {_kind_of(details['input'])}" if kind.endswith("_type") else "")


_MUST = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "path_type": "must be the path of a file or folder",
    "tuple_type": "must be a list, each entry on a line that begins with '- '",
    "dict_type": "must be a section of keys and values",
    "model_type": "must be a section of keys and values",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "ip_any_network": "must be an IP address or a network such as 10.0.0.0/8",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}
"""The message for each of pydantic's error types that a settings file can cause."""


def _kind_of(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a switch"
    if isinstance(value, int | float):
        return "a number (in quotes it would be text)"
    if isinstance(value, list):
        return "a list"
    return "a section" if isinstance(value, dict) else "text"


def _unknown_key(location: Location) -> str:
    section: type[SettingsSection] | None = ServerSettings
    for part in location[:-1]:
        if section is not None and isinstance(part, str):
            section = section_of(fields_by_key(section).get(part))
    allowed = list(fields_by_key(section)) if section is not None else []
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return f"is not a setting{guess} (allowed here: {', '.join(allowed)})"

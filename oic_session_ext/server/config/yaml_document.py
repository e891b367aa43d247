"""Parse YAML into plain values and the line of each value.

It is YAML 1.2: `no` and `off` are text, and dates stay text too. Tags, duplicate keys and unbounded structures are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

from ...errors import ConfigError

Location: TypeAlias = tuple[str | int, ...]
"""The path of a value: keys and list indexes, from the top."""

MAX_BYTES = 1024 * 1024
MAX_VALUES = 50_000
"""The limit after all aliases are resolved, so that a few lines of aliases cannot become billions of values."""

_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class YamlDocument:
    """The content of a file (`value`, None for an empty file), the `lines` of its values (from 1), and its YAML problems."""

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def line_of(self, location: Location) -> int:
        """Return the line of a value, or of the nearest section around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read_yaml(data: bytes) -> YamlDocument:
    """Parse a file's bytes; problems are in `problems` of the result."""
    if len(data) > MAX_BYTES:
        return _unreadable(f"is larger than {MAX_BYTES} bytes", 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        return _unreadable("is not UTF-8 text", data[: err.start].count(b"\n") + 1)
    reader = YAML(typ="safe", pure=True)
    reader.composer.warn_double_anchors = False  # YAML 1.2 allows an anchor twice; the warning would print the lines, including secrets
    try:
        node = reader.compose(text)  # nodes have their lines; `_Builder` converts them to values
    except MarkedYAMLError as err:
        is_cut_off = "stream" in str(err.problem) and err.context_mark is not None
        mark = err.context_mark if is_cut_off else err.problem_mark  # where the value begins, not the end of the file
        return _unreadable(_syntax_problem(err), mark.line + 1 if mark else 1)
    except ReaderError as err:
        return _unreadable("holds a control character", text[: err.position].count("\n") + 1)
    except RecursionError:
        return _unreadable("is nested too deeply", 1)
    except (ValueError, OverflowError, LookupError) as err:  # raised for invalid escapes and directives
        return _unreadable(f"is not YAML: {err}", 1)
    builder = _Builder()
    if node is not None:
        builder.document.lines[()] = node.start_mark.line + 1
        builder.document.value = builder.build(node, ())
    return builder.document


def format_location(location: Location) -> str:
    """Return the full path of a key in its readable form: `clients[1].redirect_uris[0]`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.replace("_", "a").replace("-", "a").isalnum():
            path += f".{part}" if path else part
        else:
            path += f"[{part[:100]!r}]"  # quoted, so that a key with a line feed cannot forge lines of output
    return path or "the file"


def _unreadable(problem: str, line: int) -> YamlDocument:
    return YamlDocument(problems=[ConfigError("the file", problem, line)])


def _syntax_problem(err: MarkedYAMLError) -> str:
    problem = str(err.problem or err.context or "unknown")
    if "'\\t'" in problem:
        return "is not YAML: a tab is used where only spaces are allowed; indent with spaces"
    if "mapping values are not allowed" in problem:
        return "is not YAML: a colon is not allowed here; put text with a colon in quotes, and check the indentation"
    if "another document" in problem:
        return "holds a second document (---); one is allowed"
    return f"is not YAML: {problem}" + (f" ({err.context})" if err.context and err.problem else "")


class _Builder:
    """Converts YAML nodes to plain values and records the line of each and every problem."""

    def __init__(self) -> None:
        self.document = YamlDocument()
        self._values = 0
        self._open: list[Node] = []

    def build(self, node: Node, location: Location) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            if self._values == MAX_VALUES + 1:
                self._refuse((), f"holds more than {MAX_VALUES} values", node)
            return None
        if node in self._open:
            self._refuse(location, "is an alias of a section around it", node)
            return None
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, location)
            if isinstance(node, SequenceNode):
                return self._sequence(node, location)
            return self._scalar(node, location)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any] | None:
        if str(node.tag) != _TAG + "map":
            self._refuse(location, f"has the tag {node.tag}; tags are not allowed", node)
            return None
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if str(key_node.tag) != _TAG + "str":
                kind = "<< (merge keys are not supported)" if str(key_node.tag) == _TAG + "merge" else "of another kind; put it in quotes"
                self._refuse(location, f"has a key that is {kind}", key_node)
                continue
            key = key_node.value
            here = (*location, key)
            if key in found:
                self._refuse(here, f"is duplicate; the first is on line {self.document.lines[here]}", key_node)
                continue
            self.document.lines[here] = key_node.start_mark.line + 1
            found[key] = self.build(value_node, here)
        return found

    def _sequence(self, node: SequenceNode, location: Location) -> list[Any] | None:
        if str(node.tag) != _TAG + "seq":
            self._refuse(location, f"has the tag {node.tag}; tags are not allowed", node)
            return None
        found = []
        for index, item in enumerate(node.value):
            self.document.lines[(*location, index)] = item.start_mark.line + 1
            found.append(self.build(item, (*location, index)))
        return found

    def _scalar(self, node: Node, location: Location) -> Any:
        construct = _SCALARS.get(str(node.tag).removeprefix(_TAG))
        if construct is None:
            self._refuse(location, f"has the tag {node.tag}; tags are not allowed", node)
            return None
        try:
            return construct(node.value)
        except (ValueError, KeyError):
            self._refuse(location, "is a number or switch that cannot be read; put text in quotes", node)
            return None

    def _refuse(self, location: Location, problem: str, node: Node) -> None:
        self.document.problems.append(ConfigError(format_location(location), problem, node.start_mark.line + 1))


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    return int(digits, 0 if digits.lstrip("+-")[:2] in ("0x", "0o", "0b") else 10)


def _float(text: str) -> float:
    number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": _integer,
    "float": _float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "null": lambda _: None,
    "timestamp": str,  # dates stay text: claims such as birthdate are text
}

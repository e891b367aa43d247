"""YAML text to plain values, and the line of each: the first half of reading a settings file.

YAML 1.2, so `no` and `off` are text; dates stay text too. Tags, duplicate keys and whatever could grow without bound are refused.
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
"""The keys and list indexes that lead to a value, from the top."""

MAX_BYTES = 1024 * 1024
MAX_VALUES = 50_000
"""Values after every alias is followed, so that a few lines of aliases cannot become billions."""

_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class YamlDocument:
    """What a file says (`value`, None for an empty file), where (`lines`, from 1), and what is wrong with it as YAML."""

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def line_of(self, location: Location) -> int:
        """Return the line of a value, or of the nearest section around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read_yaml(data: bytes) -> YamlDocument:
    """Return the document in a file's bytes; what is wrong with it is in its `problems`."""
    if len(data) > MAX_BYTES:
        return _unreadable(f"is larger than {MAX_BYTES} bytes", 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        return _unreadable("is not UTF-8 text", data[: err.start].count(b"\n") + 1)
    reader = YAML(typ="safe", pure=True)
    reader.composer.warn_double_anchors = False  # YAML 1.2 allows a name twice; the warning would print the lines, secret ones too
    try:
        node = reader.compose(text)  # nodes know their lines; values are made of them below
    except MarkedYAMLError as err:
        is_cut_off = "stream" in str(err.problem) and err.context_mark is not None
        mark = err.context_mark if is_cut_off else err.problem_mark  # where it was opened, rather than the file's end
        return _unreadable(_syntax_problem(err), mark.line + 1 if mark else 1)
    except ReaderError as err:
        return _unreadable("holds a control character", text[: err.position].count("\n") + 1)
    except RecursionError:
        return _unreadable("is nested too deeply", 1)
    except (ValueError, OverflowError, LookupError) as err:  # what the reader makes of impossible escapes and directives
        return _unreadable(f"is not YAML: {err}", 1)
    builder = _Builder()
    if node is not None:
        builder.document.lines[()] = node.start_mark.line + 1
        builder.document.value = builder.build(node, ())
    return builder.document


def format_location(location: Location) -> str:
    """Return the full path of a key as people write it: `clients[1].redirect_uris[0]`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.replace("_", "a").replace("-", "a").isalnum():
            path += f".{part}" if path else part
        else:
            path += f"[{part[:100]!r}]"  # as Python text, so that a strange key cannot write lines of its own
    return path or "the file"


def _unreadable(problem: str, line: int) -> YamlDocument:
    return YamlDocument(problems=[ConfigError("the file", problem, line)])


def _syntax_problem(err: MarkedYAMLError) -> str:
    problem = str(err.problem or err.context or "unknown")
    if "'\\t'" in problem:
        return "is not YAML: a tab stands where only spaces may; indent with spaces"
    if "mapping values are not allowed" in problem:
        return "is not YAML: a colon stands where none may; put text that holds or ends in a colon in quotes, and check the indentation"
    if "another document" in problem:
        return "holds a second document (---); one is allowed"
    return f"is not YAML: {problem}" + (f" ({err.context})" if err.context and err.problem else "")


class _Builder:
    """Makes plain values of YAML nodes, noting the line of each and every problem on the way."""

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
                self._refuse(here, f"is there twice; the first is on line {self.document.lines[here]}", key_node)
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
    "timestamp": str,  # a date is a word to us: claims such as birthdate are text
}

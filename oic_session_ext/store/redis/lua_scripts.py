"""The Lua scripts of the Redis store, put together of the parts that each needs.

A server makes a script's functions anew whenever it runs it, which takes as long as a small commit when those of all changes
are in it. So each commit is the script of the parts that its changes need; some twenty come up, known to the server by digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ..changes import (
    Change,
)
from .changes import _ORDER, _PARTS

_FOLDER = Path(__file__).with_name("lua")


class Script:
    """A script by its text; Redis calls it by its digest."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def reading_script(name: str) -> Script:
    """Return a script that writes nothing."""
    return Script(_read(name))


def writing_script(name: str, *parts: str) -> Script:
    """Return a script that may write, with these parts before it."""
    # A script that says that it is one is refused as a whole, before it begins, where it could not write to its end.
    return Script("\n".join(["#!lua", _read("parts/view"), *(_read(f"parts/{part}") for part in parts), _read(name)]))


class CommitScripts:
    """The scripts that commit, made when they are needed first."""

    def __init__(self) -> None:
        self._scripts: dict[frozenset[type], Script] = {}

    def of(self, changes: Sequence[Change]) -> Script:
        """Return the script for changes of these kinds."""
        kinds = frozenset(map(type, changes))
        script = self._scripts.get(kinds)
        if script is None:
            needed = {"changes", *(part for kind in kinds for part in _PARTS[kind])}
            script = self._scripts[kinds] = writing_script("commit", *(part for part in _ORDER if part in needed))
        return script


@cache
def _read(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")

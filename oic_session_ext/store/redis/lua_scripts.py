"""The Lua scripts of the Redis store, composed of the parts that each needs.

The server defines a script's functions at each run. With the functions of all changes this takes as long as a small commit.
Therefore each commit uses a script with only the parts that its changes need. About twenty such scripts occur in practice;
the server knows them by digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ..changes import (
    AddRpSession,
    Change,
    ClaimEphemeral,
    ClaimFact,
    DeferNotices,
    DeleteClient,
    DeleteConsent,
    DeleteEphemeral,
    DeleteGrant,
    DeleteNotice,
    EndOpSession,
    PutClient,
    PutConsent,
    PutEphemeral,
    PutGrant,
    PutNotice,
    PutOpSession,
    TakeEphemeral,
    TouchOpSession,
    UpdateClient,
    UpdateGrant,
    UpdateOpSession,
)

_FOLDER = Path(__file__).with_name("lua")

# The parts that each kind of change needs; names in the order in which Lua must read them.
_ORDER = (
    "op_sessions",
    "grants",
    "notices",
    "changes",
    "changes_of_op_sessions",
    "changes_that_end_op_sessions",
    "changes_of_grants",
    "changes_of_clients",
    "changes_of_ephemerals",
    "changes_of_facts",
    "changes_of_notices",
)

_OP_SESSIONS = ("op_sessions", "changes_of_op_sessions")
_GRANTS = ("grants", "changes_of_grants")
_NOTICES = ("notices", "changes_of_notices")
_PARTS: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((PutOpSession, UpdateOpSession, TouchOpSession, AddRpSession), _OP_SESSIONS),
    EndOpSession: ("op_sessions", "grants", "notices", "changes_that_end_op_sessions"),
    **dict.fromkeys((PutGrant, UpdateGrant, DeleteGrant), _GRANTS),
    **dict.fromkeys((PutClient, UpdateClient, DeleteClient, PutConsent, DeleteConsent), ("changes_of_clients",)),
    **dict.fromkeys((PutEphemeral, ClaimEphemeral, TakeEphemeral, DeleteEphemeral), ("changes_of_ephemerals",)),
    **dict.fromkeys((PutNotice, DeleteNotice, DeferNotices), _NOTICES),
    ClaimFact: ("changes_of_facts",),
}


class Script:
    """A script with its text and the digest by which Redis calls it."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def reading_script(name: str) -> Script:
    """Return a script that writes nothing."""
    return Script(_read(name))


def writing_script(name: str, *parts: str) -> Script:
    """Return a script that may write, with these parts before it."""
    # With the shebang line, the server refuses the whole script before it begins if it could not complete its writes.
    return Script("\n".join(["#!lua", _read("parts/view"), *(_read(f"parts/{part}") for part in parts), _read(name)]))


class CommitScripts:
    """The commit scripts, each composed at its first use."""

    def __init__(self) -> None:
        self._scripts: dict[frozenset[type], Script] = {}

    def script_for(self, changes: Sequence[Change]) -> Script:
        """Return the script that can apply these changes."""
        kinds = frozenset(map(type, changes))
        script = self._scripts.get(kinds)
        if script is None:
            needed = {"changes", *(part for kind in kinds for part in _PARTS[kind])}
            script = self._scripts[kinds] = writing_script("commit", *(part for part in _ORDER if part in needed))
        return script


@cache
def _read(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")

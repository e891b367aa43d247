"""Grants that are over are removed, also where no store of ours does it: pyoidc's session database grows for ever.

Hardening alone keeps no store, so what it knows of is what this process has given out; rows of an earlier process are the deployer's.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from heapq import heappop, heappush

from ..parts import OpParts
from .issued_token import IssuedTokens, TokenKind, TokenRefused

_AT_A_TIME = 20
"""How many grants one authorization request looks at, at most: it makes one, so they never become more than the live ones."""

_OUTLIVE_THE_CODE: tuple[TokenKind, ...] = ("access_token", "refresh_token")


class GrantExpiry:
    """Removes the grants of which neither the code nor a token is good any more, a few with each new one."""

    def __init__(self, parts: OpParts, issued_tokens: IssuedTokens) -> None:
        self._parts = parts
        self._issued_tokens = issued_tokens
        self._due: list[tuple[int, str]] = []
        self._due_lock = threading.Lock()

    def note_grant(self, grant_id: str) -> None:
        """Note a new grant, and remove some that are over; a store of ours has a sweeper for that."""
        if self._parts.store is None:
            self._look_again_at(grant_id, self._fresh_until())
            for due in self._take_due():
                self._remove_or_put_off(due)

    def _take_due(self) -> list[str]:
        now = self._parts.clock()
        taken: list[str] = []
        with self._due_lock:
            while self._due and self._due[0][0] <= now and len(taken) < _AT_A_TIME:
                taken.append(heappop(self._due)[1])
        return taken

    def _look_again_at(self, grant_id: str, at: int) -> None:
        with self._due_lock:
            heappush(self._due, (at, grant_id))

    def _fresh_until(self) -> int:
        """Return when a grant of now is over unless it has a refresh token: its code may be redeemed at the last moment."""
        return self._parts.clock() + int(self._parts.op.sdb.token_factory["code"].lifetime) + int(self._parts.op.sdb.access_token.lifetime)

    def _remove_or_put_off(self, grant_id: str) -> None:
        try:
            row = self._parts.op.sdb[grant_id]
        except KeyError:
            return  # ended meanwhile
        if any(self._is_good(row.get(kind), kind) for kind in _OUTLIVE_THE_CODE):
            self._look_again_at(grant_id, self._fresh_until())
            return
        with suppress(KeyError):
            self._issued_tokens.end_grant(grant_id)

    def _is_good(self, text: str | None, kind: TokenKind) -> bool:
        if not text:
            return False
        try:
            return not self._issued_tokens.open_token(text, kind).is_expired
        except TokenRefused:
            return False

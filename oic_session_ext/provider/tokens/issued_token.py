"""What stands behind a code or token that comes in: its grant, or the reason why there is none.

The token, userinfo, revocation and introspection endpoints all ask here first, so that none of them believes a token that another refuses.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from oic.utils.sdb import WrongTokenType

from ...errors import SessionExtError
from ..parts import OpParts
from ..session_db.sealed_token import SealedToken

TokenKind: TypeAlias = Literal["code", "access_token", "refresh_token"]

_LETTERS: Mapping[TokenKind, str] = {"code": "A", "access_token": "T", "refresh_token": "R"}


class TokenRefused(SessionExtError):
    """A text is no token of this kind, or nothing stands behind it any more; the message is for the operator's log."""


@dataclass(frozen=True, slots=True)
class OpenedToken:
    """A text that this OP has issued as a token of one kind; `grant_id` is the grant that it points to, which may have ended.

    `expires_at` and `issued_at` are UTC seconds. `scope` is what this very token is good for, None for all of its grant's.
    """

    kind: TokenKind
    text: str
    grant_id: str
    issued_at: int
    expires_at: int
    is_expired: bool
    scope: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token whose grant exists: its content, and pyoidc's row of the grant. It may be expired: see `opened`."""

    opened: OpenedToken
    row: Mapping[str, Any]

    @property
    def client_id(self) -> str:
        """The client that it was issued to."""
        return str(self.row["client_id"])

    @property
    def scope(self) -> tuple[str, ...]:
        """What it is good for."""
        return tuple(self.row.get("scope", ())) if self.opened.scope is None else self.opened.scope


class IssuedTokens:
    """Finds the grants of codes and tokens, and ends them."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def open_token(self, text: str, kind: TokenKind) -> OpenedToken:
        """Return what a text points to. Raises: TokenRefused: it is no token of this kind."""
        factory = self._factory(kind)
        if factory is None:
            raise TokenRefused("none are given out")
        try:
            return self._opened(factory, text, kind)
        except Exception as err:  # pyoidc's own token classes raise whatever their parsing meets
            raise TokenRefused("unknown or of another type") from err

    def issued_token(self, opened: OpenedToken) -> IssuedToken:
        """Return a token with its grant. Raises: TokenRefused: the grant has ended, or its client is gone."""
        try:
            row: Mapping[str, Any] = self._parts.op.sdb[opened.grant_id]
        except KeyError as err:
            raise TokenRefused("its grant has ended") from err
        if row.get("revoked"):
            raise TokenRefused("revoked")
        if self._parts.clients.get(row["client_id"]) is None:
            raise TokenRefused("its client is not registered any more")
        self._parts.policy.check_grant(opened.grant_id, row)
        return IssuedToken(opened, row)

    def is_current_refresh_token(self, issued: IssuedToken) -> bool:
        """Return whether it is the one refresh token of its grant that is good now, and its OP session, unless it is offline, is live."""
        text, kept = issued.opened.text, issued.row.get("refresh_token")
        if kept is not None and not hmac.compare_digest(kept.encode(), text.encode()):
            return False  # pyoidc's own session database keeps the token itself, and its token classes never put one out of use
        return bool(self._factory("refresh_token").valid(text))

    def end_grant(self, grant_id: str) -> None:
        """End a grant: whatever was issued from it is dead from now on. Raises: KeyError: it has ended."""
        del self._parts.op.sdb[grant_id]
        refresh_tokens = self._factory("refresh_token")
        if refresh_tokens is not None:  # pyoidc's own class keeps a copy of the row, and would bring the grant back from it
            refresh_tokens.token_storage.pop(grant_id, None)

    def _opened(self, factory: Any, text: str, kind: TokenKind) -> OpenedToken:
        lifetime = int(factory.lifetime)
        if isinstance(factory, SealedToken):  # unsealed once: each time costs as much as a row read from memory
            sealed = factory.unseal(text)
            expires_at = sealed.issued_at + lifetime
            return OpenedToken(kind, text, sealed.grant_id, sealed.issued_at, expires_at, self._parts.clock() >= expires_at, sealed.scope)
        letter, grant_id = factory.type_and_key(text)
        if letter != _LETTERS[kind]:
            raise WrongTokenType(letter)
        expires_at = int(factory.expires_at(text))
        return OpenedToken(kind, text, str(grant_id), expires_at - lifetime, expires_at, bool(factory.is_expired(text)))

    def _factory(self, kind: TokenKind) -> Any:
        sdb = self._parts.op.sdb
        return sdb.access_token if kind == "access_token" else sdb.token_factory[kind]

"""Codes and tokens as sealed pointers to a grant, in the shape that pyoidc's SessionDB asks for.

A token reveals nothing to its holder and is not in the store: it is `nonce || AES-256-GCM(issued at, grant id, scope)` under
a key of the shared secret, with its type as associated data, so that a code never opens as an access token. The scope is there when the
token is good for less than its grant. Whether it is still good is decided on the grant it points to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from oic.utils.sdb import Token, WrongTokenType

from ...clock import Clock
from ...crypto.record_id import new_record_id
from ...crypto.secret_ring import SecretRing
from ...store.unit_of_work import UnitOfWork

_NONCE_LENGTH = 12
_MAX_TOKEN_LENGTH = 2048


class NoSuchGrant(KeyError):
    """There is no grant of this name, or none any more; a fault elsewhere, which may be a `KeyError` too, is never taken for it."""


@dataclass(frozen=True, slots=True)
class Unsealed:
    """The content of a sealed token: the grant it points to, the instant of issue, and its scope, None for all of the grant's."""

    grant_id: str
    issued_at: int
    scope: tuple[str, ...] | None


class SealedToken(Token):
    """Issues and opens tokens of one type: `A` (code), `T` (access token) or `R` (refresh token).

    `lifetime` is in seconds. Every server of a cluster that shares the secret opens what any of them sealed; after a
    rotation the older secrets still open.
    """

    def __init__(self, typ: str, ring: SecretRing, lifetime: int, clock: Clock) -> None:
        super().__init__(typ, lifetime=lifetime, token_storage={} if typ == "R" else None)
        self._clock = clock
        self._aad = b"oic_session_ext token " + typ.encode()
        self._ring = ring
        self._ciphers: tuple[tuple[bytes, ...], list[AESGCM]] = ((), [])

    def __call__(self, sid: str, *args: Any, scope: Sequence[str] | None = None, **kwargs: Any) -> str:
        """Return a new token of this type that points to the grant `sid`; `scope` is what it is good for, None for all of the grant's."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        plain = struct.pack(">Q", self._clock()) + sid.encode() + (b"" if scope is None else b" " + " ".join(scope).encode())
        sealed = self._keys()[0].encrypt(nonce, plain, self._aad)
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def key(self, user: str = "", areq: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """Return a fresh grant id."""
        return new_record_id(self._clock())

    def unseal(self, token: object) -> Unsealed:
        """Return the content of a token.

        Raises: WrongTokenType: it is not a token of this type sealed by this OP.
        """
        if not isinstance(token, str) or not 0 < len(token) <= _MAX_TOKEN_LENGTH:
            raise WrongTokenType("not a token of this type")
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as err:
            raise WrongTokenType("not a token of this type") from err
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
            raise WrongTokenType("not a token of this type")  # another spelling of one: a token is one text
        for key in self._keys():
            try:
                plain = key.decrypt(raw[:_NONCE_LENGTH], raw[_NONCE_LENGTH:], self._aad)
            except (InvalidTag, ValueError):
                continue
            grant_id, narrowed, scope = plain[8:].decode().partition(" ")
            return Unsealed(grant_id, int(struct.unpack(">Q", plain[:8])[0]), tuple(scope.split()) if narrowed else None)
        raise WrongTokenType("not a token of this type")

    def _keys(self) -> list[AESGCM]:
        """Return what opens tokens, that which seals them first."""
        keys, ciphers = self._ciphers
        accepted = self._ring.derive_all("sealed tokens")
        if accepted is not keys:
            ciphers = [AESGCM(key) for key in accepted]
            self._ciphers = accepted, ciphers
        return ciphers

    def type_and_key(self, token: str) -> tuple[str, str]:
        """Return the type and the grant id. Raises: WrongTokenType."""
        return self.type, self.unseal(token).grant_id

    def get_key(self, token: str) -> str:
        """Return the grant id. Raises: WrongTokenType."""
        return self.unseal(token).grant_id

    def get_type(self, token: str) -> str:
        """Return the type. Raises: WrongTokenType."""
        self.unseal(token)
        return str(self.type)

    def expires_at(self, token: str) -> int:
        """Return the instant from which on the token is no longer good. Raises: WrongTokenType."""
        return self.unseal(token).issued_at + int(self.lifetime)

    def is_expired(self, token: str, when: int | None = None) -> bool:
        """Return whether the token's time is over at `when`, by default now. Raises: WrongTokenType."""
        return (self._clock() if when is None else when) >= self.expires_at(token)

    def valid(self, token: str) -> bool:
        """Check that it is a token of this type; whether its grant still exists is not checked. Raises: WrongTokenType."""
        self.unseal(token)
        return True

    def invalidate(self, token: str) -> None:
        """Do nothing: a token dies with its grant, or when the grant names another refresh token."""


class StoredRefreshToken(SealedToken):
    """Refresh tokens of which each grant has one that is good; its digest stands in the grant.

    So a refresh token dies with its grant, survives a restart with it, and is out of use as soon as the grant names another.
    """

    def __init__(self, ring: SecretRing, lifetime: int, clock: Clock, unit: Callable[[], AbstractContextManager[UnitOfWork]]) -> None:
        super().__init__("R", ring, lifetime, clock)
        self._unit = unit

    def __call__(self, sid: str, *args: Any, **kwargs: Any) -> str:
        """Return a refresh token for the grant `sid`, the only good one from now on.

        Raises: NoSuchGrant: there is none.
        """
        token = super().__call__(sid)
        with self._unit() as uow:
            grant = uow.grant(sid)
            if grant is None:
                raise NoSuchGrant(sid)
            uow.put_grant(
                replace(
                    grant,
                    refresh_digest=_digest(token),
                    is_offline="offline_access" in grant.data.get("scope", ()),
                    expires_at=max(grant.expires_at, self._clock() + int(self.lifetime)),
                )
            )
        return token

    def valid(self, token: str) -> bool:
        """Return whether it is the good refresh token of its grant, whose OP session, unless it is offline, is live.

        A session whose time is over may still be in the store until it is ended.
        Raises: WrongTokenType: it is no refresh token.
        """
        grant_id = self.unseal(token).grant_id
        with self._unit() as uow:
            grant = uow.grant(grant_id)
            if grant is None or grant.refresh_digest is None or not hmac.compare_digest(grant.refresh_digest, _digest(token)):
                return False
            if grant.is_offline or grant.op_session_id is None:
                return True
            session = uow.store.op_session(grant.op_session_id)
            return session is not None and session.is_live(uow.now)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

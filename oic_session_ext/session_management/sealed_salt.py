"""A salt of `session_state` by which the OP finds the OP session again: sealed, so that it reveals nothing to its holder.

The hash over it stays what the iframe computes; only the OP's own choice of the salt differs (docs/adr/0012-session-status.md).
"""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ..crypto.secret_ring import SecretRing

_NONCE_LENGTH = 8
_TAG_LENGTH = 16
_ID_LENGTH = 32
_SALT = _NONCE_LENGTH + _TAG_LENGTH + _ID_LENGTH
_SALT_LENGTH = (_SALT * 8 + 5) // 6


class SealedSalts:
    """Seals the ids of OP sessions into salts, and opens them again.

    AES-SIV: one key seals any number of them, as a nonce that comes twice gives away no more than that the same was sealed again. Client
    and origin are sealed with it, so that the salt is worth nothing to another client and on another page.
    """

    def __init__(self, ring: SecretRing) -> None:
        self._ring = ring
        self._ciphers: tuple[tuple[bytes, ...], list[AESSIV]] = ((), [])

    def seal(self, op_session_id: str, client_id: str, origin: str) -> str:
        """Return a fresh salt for an OP session."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        sealed = self._keys()[0].encrypt(op_session_id.encode(), [nonce + _bound_to(client_id, origin)])
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    @staticmethod
    def of_nobody() -> str:
        """Return a fresh salt for a browser in which no user is signed in; it looks like all others."""
        return secrets.token_urlsafe(_SALT)

    def open(self, salt: str, client_id: str, origin: str) -> str | None:
        """Return the id that was sealed for this client and origin; None when this OP has sealed nothing of the kind."""
        if len(salt) != _SALT_LENGTH:
            return None
        try:
            raw = base64.b64decode(salt + "=" * (-len(salt) % 4), altchars=b"-_", validate=True)
            associated = [raw[:_NONCE_LENGTH] + _bound_to(client_id, origin)]
        except (binascii.Error, ValueError):  # a lone surrogate is one, too
            return None
        for key in self._keys():
            try:
                return key.decrypt(raw[_NONCE_LENGTH:], associated).decode()
            except InvalidTag:
                continue
        return None

    def _keys(self) -> list[AESSIV]:
        """Return what opens salts, that which seals them first."""
        keys, ciphers = self._ciphers
        accepted = self._ring.derive_all("session handles", 64)
        if accepted is not keys:
            ciphers = [AESSIV(key) for key in accepted]
            self._ciphers = accepted, ciphers
        return ciphers


def _bound_to(client_id: str, origin: str) -> bytes:
    """Return client and origin as one text that no other pair has."""
    return f"{len(client_id)} {client_id} {origin}".encode()

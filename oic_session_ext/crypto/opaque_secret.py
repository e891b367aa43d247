"""Random values that a browser carries and of which the store knows no more than the digest."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NamedTuple

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


class OpaqueSecret(NamedTuple):
    """A fresh secret: `value` is for the browser, `digest` for the store."""

    value: str
    digest: str


def new_secret() -> OpaqueSecret:
    """Return 256 fresh random bits in base64url (43 characters) and their digest."""
    value = secrets.token_urlsafe(32)
    return OpaqueSecret(value, _digest(value))


def digest_of(value: str | None) -> str | None:
    """Return the SHA-256 (hex) by which the store knows a secret; None when the text cannot be one of ours.

    A look-up by digest needs no comparison in constant time: its timing reveals only the digest.
    """
    return None if value is None or not _SHAPE.fullmatch(value) else _digest(value)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("ascii")).hexdigest()

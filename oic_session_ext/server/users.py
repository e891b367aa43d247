"""The users of the settings file: their passwords and claims.

The login page uses `verify`; UserInfo and ID Tokens use `claims`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import argon2

from ..web.parameters import has_control_characters
from .config.user import UserSettings, normalize_login_text, normalize_username

MAX_PASSWORD_BYTES = 1024
"""A longer password is refused without hashing, which limits the cost of one request."""


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user."""

    uid: str
    claims: Mapping[str, Any]


class UserDirectory:
    """The users; verification takes the same time for unknown user names as for known ones.

    The password of an unknown user is verified too, against a hash that no password matches, with the parameters of the
    first user's hash. Therefore the response time does not reveal which user names exist.
    """

    def __init__(self, users: Sequence[UserSettings]) -> None:
        self._claims = {user.username: user.claims for user in users}
        names = {name for user in users for name in user.claims}
        self.claim_names = frozenset(name.partition("#")[0] for name in names)
        self.claim_locales = frozenset(name.partition("#")[2] for name in names) - {""}
        self._passwords = {user.username: _stored_password(user) for user in users}
        hashed = next((stored for stored in self._passwords.values() if isinstance(stored, str)), None)
        self._unmatchable: str | bytes = secrets.token_bytes(32) if hashed is None else _without_match(hashed)

    def verify(self, username: str, password: str) -> User | None:
        """Return the user with this name and password, or None if there is none.

        Both are compared in Unicode's NFC form; user names are case-sensitive and stripped of surrounding white space.
        """
        uid = normalize_username(username)
        try:
            given = normalize_login_text(password).encode()
        except UnicodeEncodeError:  # a lone surrogate, which no keyboard produces
            return None
        if len(given) > MAX_PASSWORD_BYTES:
            return None
        stored = self._passwords.get(uid, self._unmatchable)
        if not _is_match(stored, given) or uid not in self._claims:
            return None
        return User(uid, self._claims[uid])

    def claims(self, uid: str) -> Mapping[str, Any] | None:
        """Return the claims of a user, or None if the user does not exist (any more)."""
        return self._claims.get(uid)


def hash_password(password: str) -> str:
    """Return the argon2id line for `password_hash`.

    Raises: ValueError: the password is empty, longer than `MAX_PASSWORD_BYTES`, or has control characters, which no form can send.
    """
    given = normalize_login_text(password).encode()
    if has_control_characters(password):
        raise ValueError("a password must not have control characters: the login form refuses them")
    if not 0 < len(given) <= MAX_PASSWORD_BYTES:
        raise ValueError(f"a password must have 1 to {MAX_PASSWORD_BYTES} bytes")
    return argon2.PasswordHasher().hash(given)


def _stored_password(user: UserSettings) -> str | bytes:
    """Return an argon2 line as text, or the digest of a benchmark's plain password as bytes."""
    if user.password is not None:
        return _digest(normalize_login_text(user.password.get_secret_value()).encode())
    assert user.password_hash is not None  # verified by UserSettings
    return user.password_hash


def _is_match(stored: str | bytes, given: bytes) -> bool:
    if isinstance(stored, bytes):
        return hmac.compare_digest(stored, _digest(given))  # digests have equal length, so the time reveals nothing
    try:
        return argon2.PasswordHasher().verify(stored, given)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _digest(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()


def _without_match(encoded: str) -> str:
    """Return an argon2 line of the same cost with a random digest, which no known password matches."""
    digest = secrets.token_bytes(argon2.extract_parameters(encoded).hash_len)
    return f"{encoded.rpartition('$')[0]}${base64.b64encode(digest).decode().rstrip('=')}"

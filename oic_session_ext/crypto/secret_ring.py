"""The OP's own secrets: a list of which the first makes everything new and all are still believed.

Nothing uses a secret itself: each purpose has its own key, derived with HKDF-SHA256, so that a key that leaks for one
purpose reveals nothing about another. All servers of a cluster need the same list; `rotation` changes it step by step.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import ConfigError
from .private_file import load_or_create_private

MIN_SECRET_BYTES = 32
_NEW_SECRET_BYTES = 48


class SecretRing:
    """A list of secrets; the first is in use.

    A running server may be given another list (`replace_with`), so callers that make or open something ask for its key each time.

    Raises: ConfigError: there is none, one has fewer than 32 bytes, or one is there twice.
    """

    def __init__(self, secrets: Sequence[bytes], *, path: str = "secrets") -> None:
        if not secrets:
            raise ConfigError(path, "there is no secret; at least one is needed")
        if any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
            raise ConfigError(path, f"a secret is too short; each needs at least {MIN_SECRET_BYTES} random bytes")
        if len(set(secrets)) != len(secrets):
            raise ConfigError(path, "a secret is there twice")
        self._secrets = tuple(bytes(secret) for secret in secrets)
        self._derived: dict[tuple[str, int], tuple[bytes, ...]] = {}

    @classmethod
    def from_text(cls, text: str, *, path: str = "secrets") -> SecretRing:
        """Return the ring written in `text`: one secret a line, that in use first; blank lines and `#` lines are skipped.

        A secret is written in base64url; plain base64, as other tools write it, is read too.

        `path` names the setting or file in errors.

        Raises: ConfigError: a line is no base64url, or the list is not a good one. Nothing of a secret is in the message.
        """
        found = []
        for number, line in enumerate(text.splitlines(), start=1):
            secret = line.strip().rstrip("=")
            if not secret or secret.startswith("#"):
                continue
            try:
                found.append(base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True))
            except (binascii.Error, ValueError):
                raise ConfigError(path, "not a secret in base64url", number) from None  # the cause would quote the line
        return cls(found, path=path)

    @classmethod
    def load_or_create(cls, path: str | Path) -> SecretRing:
        """Return the ring that a file holds; if there is no file, create one with mode 0600 and a fresh secret.

        Of several processes that start at the same time one creates the file, and all read the same ring.

        Raises: ConfigError: the file can be read by its group or by others, is not a ring, or cannot be read or created.
        """
        return cls.from_text(load_or_create_private(Path(path), cls.generate_text), path=str(path))

    @staticmethod
    def generate_text() -> str:
        """Return a fresh ring of one 384-bit secret, in the form that `from_text` reads."""
        return SecretRing([secrets.token_bytes(_NEW_SECRET_BYTES)]).to_text()

    def to_text(self) -> str:
        """Return the secrets in the form that `from_text` reads."""
        return "".join(base64.urlsafe_b64encode(secret).rstrip(b"=").decode() + "\n" for secret in self._secrets)

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """Return the key of `length` bytes with which new things are made for a purpose."""
        return self.derive_all(purpose, length)[0]

    def derive_all(self, purpose: str, length: int = 32) -> tuple[bytes, ...]:
        """Return the keys that are believed for a purpose, `derive`'s first; the very same object until other secrets are taken up."""
        derived = self._derived  # what is worked out of old secrets goes with them
        keys = derived.get((purpose, length))
        if keys is None:
            keys = derived[purpose, length] = tuple(_derive(secret, purpose, length) for secret in self._secrets)
        return keys

    def replace_with(self, other: SecretRing) -> None:
        """Be the ring that `other` is from now on."""
        self._secrets, self._derived = other._secrets, {}

    @property
    def fingerprint(self) -> str:
        """A public id of the first secret, by which servers see that they agree; the secret does not follow from it."""
        return self.fingerprints[0]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The ids of all secrets in their order: during a rotation another server's first one is among them."""
        return tuple(key.hex() for key in self.derive_all("fingerprint", 16))

    @property
    def active(self) -> tuple[str, ...]:
        """The ids of what new things are made with."""
        return (self.fingerprint,)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The ids of all that is believed, that in use first."""
        return self.fingerprints

    def with_next(self) -> SecretRing:
        """Return a ring that believes a fresh secret besides."""
        return SecretRing([*self._secrets, secrets.token_bytes(_NEW_SECRET_BYTES)])

    def with_active(self, ids: Collection[str]) -> SecretRing:
        """Return a ring of the same secrets that uses this one of them."""
        return SecretRing(sorted(self._secrets, key=lambda secret: _fingerprint(secret) not in ids))

    def without(self, ids: Collection[str]) -> SecretRing:
        """Return a ring that believes these no longer. Raises: ConfigError: none is left."""
        return SecretRing([secret for secret in self._secrets if _fingerprint(secret) not in ids])

    def __repr__(self) -> str:
        return f"<SecretRing of {len(self._secrets)}>"


def _fingerprint(secret: bytes) -> str:
    return _derive(secret, "fingerprint", 16).hex()


def _derive(secret: bytes, purpose: str, length: int) -> bytes:
    # the secrets are random already, so HKDF needs no salt (RFC 5869, 3.1)
    return HKDF(SHA256(), length, salt=None, info=b"oic_session_ext " + purpose.encode()).derive(secret)

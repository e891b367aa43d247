"""Storage of the secrets and signing keys: a file, the environment, the store, or this process only."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...cluster.consistency import active_fact
from ...crypto.private_file import load_or_create_private, replace_private
from ...crypto.secret_ring import SecretRing
from ...errors import ConfigError, Conflict
from ...store.base import Store
from ...store.changes import ClaimFact

_SEALED_KEYS = "sealed signing keys"
_NONCE_BYTES = 12
_ATTEMPTS = 3


class SealedKeysLost(ConfigError):
    """None of this server's secrets can decrypt the signing keys in the store."""


class KeyStorage(Protocol):
    """A text that is generated once and changed by an operator only."""

    @property
    def place(self) -> str:
        """The place of the text, for messages."""
        ...

    def stamp(self) -> object:
        """Return a cheap value that changes whenever the text may have changed. Raises: ConfigError: it cannot be read."""
        ...

    def read(self) -> str:
        """Return the text; generate it if there is none. Raises: ConfigError: it cannot be read or created."""
        ...

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Replace the text; return False if only the operator can do so.

        Raises: ConfigError: the current text is not `instead_of`.
        """
        ...


class InFile:
    """A file that only its owner may read."""

    def __init__(self, file: Path, make: Callable[[], str]) -> None:
        self._file = file
        self._make = make
        self.place = str(file)

    def stamp(self) -> object:
        """Return the file's identity, size and time of change."""
        try:
            found = self._file.stat()
        except OSError as err:
            raise ConfigError(self.place, f"the file cannot be read or made: {err.strerror}") from err
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode

    def read(self) -> str:
        """Return the content of the file; create the file if it does not exist."""
        return load_or_create_private(self._file, self._make)

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Replace the file in one step."""
        replace_private(self._file, text, instead_of=instead_of)
        return True


class InEnvironment:
    """An environment variable; its value is fixed at the start of the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.place = f"the environment variable {name}"

    def stamp(self) -> object:
        """Return a constant: the text never changes."""
        return None

    def read(self) -> str:
        """Return the value of the variable."""
        text = os.environ.get(self._name, "").strip()
        if not text:
            raise ConfigError(self._name, "the environment variable is not set or empty; it must have the secret")
        return text

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Return False: the operator must set the variable."""
        return False


class InProcess:
    """A text that exists only in this process."""

    place = "the process"

    def __init__(self, make: Callable[[], str]) -> None:
        self._text = make()

    def stamp(self) -> object:
        """Return a constant: the text never changes."""
        return None

    def read(self) -> str:
        """Return the text."""
        return self._text

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Return False: other processes cannot read it."""
        return False


class InStore:
    """The signing keys as a fact of the store, encrypted with a key derived from the shared secrets.

    Read access to the store is therefore not enough to sign. Keys that are encrypted with an older secret are encrypted
    anew when they are read, so that the older secret can be removed.
    """

    place = "the store"

    def __init__(self, store: Store, ring: SecretRing, make: Callable[[], str]) -> None:
        self._store = store
        self._ring = ring
        self._make = make

    def stamp(self) -> object:
        """Return the encrypted text."""
        return self._store.fact(_SEALED_KEYS)

    def read(self) -> str:
        """Return the keys; generate them if there are none."""
        for _ in range(_ATTEMPTS):
            sealed = self._store.fact(_SEALED_KEYS)
            text, is_sealed_with_newest = (self._make(), False) if sealed is None else self._open(sealed)
            if is_sealed_with_newest:
                return text
            with suppress(Conflict):  # another server was first
                self._store.commit([ClaimFact(_SEALED_KEYS, self._seal(text), instead_of=sealed)])
                return text
        raise ConfigError("keys", "the signing keys in the store are changing; try again")

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Replace the keys in one step."""
        sealed = self._store.fact(_SEALED_KEYS)
        try:
            if sealed is None or self._open(sealed)[0] != instead_of:
                raise ConfigError("keys", "another process has just changed the keys; nothing was done, look at the current keys")
            self._store.commit([ClaimFact(_SEALED_KEYS, self._seal(text), instead_of=sealed)])
        except Conflict as err:
            raise ConfigError("keys", "another process is changing the keys; nothing was done, look at the current keys") from err
        return True

    def start_anew(self) -> None:
        """Replace the keys, which cannot be decrypted any more, with new ones."""
        sealed = self._store.fact(_SEALED_KEYS)
        self._store.commit([ClaimFact(_SEALED_KEYS, self._seal(self._make()), instead_of=sealed)])

    def _seal(self, text: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + AESGCM(self._ring.derive(_SEALED_KEYS)).encrypt(nonce, text.encode(), None)).decode()

    def _open(self, sealed: str) -> tuple[str, bool]:
        """Return the keys, and whether they can stay encrypted as they are.

        A server that does not use the newest secret yet must not encrypt them anew, because two servers would then replace
        each other's text again and again.
        """
        raw = base64.b64decode(sealed)
        is_ours_in_use = self._store.fact(active_fact("secrets")) in (None, self._ring.fingerprint)
        for number, key in enumerate(self._ring.derive_all(_SEALED_KEYS)):
            with suppress(InvalidTag):
                text = AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
                return text, number == 0 or not is_ours_in_use
        raise SealedKeysLost(
            "keys",
            "the signing keys in the store are encrypted with a secret that this server does not have; "
            "see `oic-session-ext adopt` if it is lost",
        )

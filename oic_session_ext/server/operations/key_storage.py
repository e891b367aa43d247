"""Where the secrets and the signing keys are kept: a file, the environment, the store, or nowhere but in this process."""

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
    """The signing keys in the store are sealed with none of the secrets at hand."""


class KeyStorage(Protocol):
    """A text that is made once and changed by an operator alone."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    def stamp(self) -> object:
        """Return what differs whenever the text may differ, at little cost. Raises: ConfigError: it cannot be told."""
        ...

    def read(self) -> str:
        """Return the text, made when there is none. Raises: ConfigError: it cannot be read or made."""
        ...

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Put another text in its place; return False when only the operator can. Raises: ConfigError: it is not `instead_of`."""
        ...


class InFile:
    """A file of which only its owner may know what it holds."""

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
        """Return what the file holds, made when it is not there."""
        return load_or_create_private(self._file, self._make)

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Replace the file in one step."""
        replace_private(self._file, text, instead_of=instead_of)
        return True


class InEnvironment:
    """An environment variable: what it holds is what the process was started with."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.place = f"the environment variable {name}"

    def stamp(self) -> object:
        """Return the same each time."""
        return None

    def read(self) -> str:
        """Return what the variable holds."""
        text = os.environ.get(self._name, "").strip()
        if not text:
            raise ConfigError(self._name, "the environment variable is not set or empty; it must hold the secret")
        return text

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Return False: whoever starts the servers sets it."""
        return False


class InProcess:
    """A text that lives and dies with the process."""

    place = "the process"

    def __init__(self, make: Callable[[], str]) -> None:
        self._text = make()

    def stamp(self) -> object:
        """Return the same each time."""
        return None

    def read(self) -> str:
        """Return the text."""
        return self._text

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Return False: no other process sees it."""
        return False


class InStore:
    """The signing keys as a fact of the store, sealed with a key of the shared secrets: who reads the store alone cannot sign.

    What is sealed with an older secret is sealed anew when it is read, so that the older one may be taken away.
    """

    place = "the store"

    def __init__(self, store: Store, ring: SecretRing, make: Callable[[], str]) -> None:
        self._store = store
        self._ring = ring
        self._make = make

    def stamp(self) -> object:
        """Return the sealed text."""
        return self._store.fact(_SEALED_KEYS)

    def read(self) -> str:
        """Return the keys, made when there are none."""
        for _ in range(_ATTEMPTS):
            sealed = self._store.fact(_SEALED_KEYS)
            text, is_sealed_well = (self._make(), False) if sealed is None else self._open(sealed)
            if is_sealed_well:
                return text
            with suppress(Conflict):  # another server was first
                self._store.commit([ClaimFact(_SEALED_KEYS, self._seal(text), instead_of=sealed)])
                return text
        raise ConfigError("keys", "the signing keys in the store change all the time")

    def replace(self, text: str, *, instead_of: str) -> bool:
        """Replace the keys in one step."""
        sealed = self._store.fact(_SEALED_KEYS)
        try:
            if sealed is None or self._open(sealed)[0] != instead_of:
                raise ConfigError("keys", "somebody else has just changed the keys; nothing was done, see what they are now")
            self._store.commit([ClaimFact(_SEALED_KEYS, self._seal(text), instead_of=sealed)])
        except Conflict as err:
            raise ConfigError("keys", "somebody else is changing the keys; nothing was done, see what they are now") from err
        return True

    def start_anew(self) -> None:
        """Put fresh keys in the place of those that nobody can open any more."""
        sealed = self._store.fact(_SEALED_KEYS)
        self._store.commit([ClaimFact(_SEALED_KEYS, self._seal(self._make()), instead_of=sealed)])

    def _seal(self, text: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + AESGCM(self._ring.derive(_SEALED_KEYS)).encrypt(nonce, text.encode(), None)).decode()

    def _open(self, sealed: str) -> tuple[str, bool]:
        """Return the keys, and whether they may stay sealed as they are.

        A server that has not taken up the newest secret yet does not seal anew: two would take turns at it.
        """
        raw = base64.b64decode(sealed)
        is_ours_in_use = self._store.fact(active_fact("secrets")) in (None, self._ring.fingerprint)
        for number, key in enumerate(self._ring.derive_all(_SEALED_KEYS)):
            with suppress(InvalidTag):
                text = AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
                return text, number == 0 or not is_ours_in_use
        raise SealedKeysLost(
            "keys", "the signing keys in the store are sealed with a secret that is not here; see `oic-session-ext adopt` if it is lost"
        )

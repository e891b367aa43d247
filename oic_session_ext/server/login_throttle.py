"""How often a password may be guessed: failed sign-ins counted in the store, so every server of a cluster knows them."""

from __future__ import annotations

import hashlib

from ..clock import Clock
from ..model import EphemeralRecord
from ..store.base import DeleteEphemeral, PutEphemeral, Store
from .settings import ThrottleSettings

_KIND = "failed_sign_ins"
_PER_USER = 10
"""How many times more failures a user name may have from everywhere than from one address: somebody else's guessing must not lock
a user out at once."""


class LoginThrottle:
    """Counts failed sign-ins by user name and address together, by address, and by user name."""

    def __init__(self, store: Store, settings: ThrottleSettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    def is_closed(self, username: str, address: str) -> bool:
        """Tell whether a sign-in is refused unread, because there were too many failures within the window."""
        return any(self._failures(key) >= limit for key, limit in self._keys(username, address))

    def note_failure(self, username: str, address: str) -> None:
        """Count a failed sign-in."""
        now, window = self._clock(), self._settings.window_s
        changes = []
        for key, _ in self._keys(username, address):
            record = self._store.ephemeral(_KIND, key, now)
            until = record.expires_at if record is not None else now + window
            changes.append(PutEphemeral(EphemeralRecord(_KIND, key, until, {"failures": self._count(record) + 1})))
        self._store.commit(changes)

    def note_success(self, username: str, address: str) -> None:
        """Forget the failures of a user who has now signed in from this address."""
        key, _ = self._keys(username, address)[0]
        if self._failures(key):
            self._store.commit([DeleteEphemeral(_KIND, key)])

    def _failures(self, key: str) -> int:
        return self._count(self._store.ephemeral(_KIND, key, self._clock()))

    @staticmethod
    def _count(record: EphemeralRecord | None) -> int:
        return 0 if record is None else int(record.payload["failures"])

    def _keys(self, username: str, address: str) -> list[tuple[str, int]]:
        most = self._settings.max_attempts
        named = (("both", f"{username}\n{address}", most), ("address", address, most * 3), ("user", username, most * _PER_USER))
        return [(hashlib.sha256(f"{kind}\n{value}".encode("utf-8", "surrogatepass")).hexdigest(), limit) for kind, value, limit in named]

"""How often a password may be guessed: failed sign-ins counted in the store, so every server of a cluster knows them."""

from __future__ import annotations

import hashlib
import threading
from typing import NamedTuple

from ..clock import Clock
from ..model import EphemeralRecord
from ..network_address import household_of
from ..store.base import DeleteEphemeral, PutEphemeral, Store
from .settings import ThrottleSettings
from .user_settings import normalize_login_text

_KIND = "failed_sign_ins"
_PER_USER = 10
"""How many times more failures a user name may have from everywhere than from one address: somebody else's guessing must not lock
a user out at once."""


class SignInAttempt(NamedTuple):
    """How an attempt to sign in stands.

    `closed_for_s` is for how many seconds it is refused unread, since there were too many failures; 0 when it is looked at.
    `has_failed_before` tells whether failures of this user name from this address are remembered.
    """

    closed_for_s: int
    has_failed_before: bool


class LoginThrottle:
    """Counts failed sign-ins by user name and address together, by address, and by user name."""

    def __init__(self, store: Store, settings: ThrottleSettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()

    def attempt(self, username: str, address: str) -> SignInAttempt:
        """Return how an attempt to sign in stands before the password is looked at."""
        now = self._clock()
        records, keys = self._records(username, address, now), self._keys(username, address)
        found = [(records[key], limit) for key, limit in keys if key in records]
        closed_for_s = max((record.expires_at - now for record, limit in found if _count(record) >= limit), default=0)
        return SignInAttempt(closed_for_s, has_failed_before=keys[0][0] in records)

    def note_failure(self, username: str, address: str) -> None:
        """Count a failed sign-in."""
        now, window = self._clock(), self._settings.window_s
        changes = []
        with self._lock:  # guesses side by side are counted one by one
            records = self._records(username, address, now)
            for key, _ in self._keys(username, address):
                record = records.get(key)
                until = record.expires_at if record is not None else now + window
                changes.append(PutEphemeral(EphemeralRecord(_KIND, key, until, {"failures": _count(record) + 1})))
            self._store.commit(changes)

    def note_success(self, username: str, address: str) -> None:
        """Forget the failures of a user who has now signed in from this address; for an attempt that `has_failed_before`."""
        key, _ = self._keys(username, address)[0]
        self._store.commit([DeleteEphemeral(_KIND, key)])

    def _records(self, username: str, address: str, now: int) -> dict[str, EphemeralRecord]:
        found = self._store.ephemerals(_KIND, [key for key, _ in self._keys(username, address)], now)
        return {record.key: record for record in found}

    def _keys(self, username: str, address: str) -> list[tuple[str, int]]:
        most, username, address = self._settings.max_attempts, normalize_login_text(username), household_of(address)
        named = (("both", f"{address}\n{username}", most), ("address", address, most * 3), ("user", username, most * _PER_USER))
        return [(hashlib.sha256(f"{kind}\n{value}".encode("utf-8", "surrogatepass")).hexdigest(), limit) for kind, value, limit in named]


def _count(record: EphemeralRecord | None) -> int:
    return 0 if record is None else int(record.payload["failures"])

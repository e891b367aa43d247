"""How often a password may be guessed: failed sign-ins counted in the store, so every server of a cluster knows them.

Guesses that are being looked at count as failures until it is known that they are none: however many come at once to a process, no more
than the limit are looked at.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ...clock import Clock
from ...model import EphemeralRecord
from ...store.base import Store
from ...store.changes import DeleteEphemeral, PutEphemeral
from ...web.ip_address import rate_limit_key
from ..config.login import ThrottleSettings
from ..config.user import normalize_login_text

_KIND = "failed_sign_ins"
_PER_USER = 10
"""How many times more failures a user name may have from everywhere than from one address: somebody else's guessing must not lock
a user out at once."""


class SignInAttempt(NamedTuple):
    """How an attempt to sign in stands.

    `closed_for_s` is for how many seconds it is refused unread, since there were too many failures, or may be when those at work have
    ended; 0 when it is looked at.
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
        self._noting = threading.Lock()  # held while the store answers, so who only asks does not wait for it
        self._counting = threading.Lock()
        self._at_work: Counter[str] = Counter()

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[SignInAttempt]:
        """Give how an attempt to sign in stands before the password is looked at; what came of it is noted before it ends."""
        keys = self._keys(username, address)
        with self._at_work_on(keys) as at_work:
            standing = self._standing(keys, at_work)
            if standing.closed_for_s == 0:
                yield standing
                return
        yield standing  # nobody looks at it: while its page is made it keeps nobody else out

    @contextmanager
    def _at_work_on(self, keys: list[tuple[str, int]]) -> Iterator[dict[str, int]]:
        """Count an attempt as long as it lasts; give how many there are by each key: those that began before it, and itself."""
        with self._counting:
            self._at_work.update(key for key, _ in keys)
            at_work = {key: self._at_work[key] for key, _ in keys}
        try:
            yield at_work
        finally:
            with self._counting:
                self._at_work.subtract(key for key, _ in keys)
                self._at_work = +self._at_work

    def _standing(self, keys: list[tuple[str, int]], at_work: dict[str, int]) -> SignInAttempt:
        # read once it is counted itself: whoever was at work before is either counted too, or has its failure in the store by now
        now = self._clock()
        records = self._records([key for key, _ in keys], now)
        closed_for_s = 0
        for key, limit in keys:
            record = records.get(key)
            failures = _count(record)
            if record is not None and failures >= limit:
                closed_for_s = max(closed_for_s, record.expires_at - now)
            elif failures + at_work[key] > limit:
                closed_for_s = max(closed_for_s, 1)
        return SignInAttempt(closed_for_s, has_failed_before=keys[0][0] in records)

    def note_failure(self, username: str, address: str) -> None:
        """Count a failed sign-in."""
        now, window = self._clock(), self._settings.window_s
        changes = []
        with self._noting:  # guesses side by side are counted one by one
            keys = [key for key, _ in self._keys(username, address)]
            records = self._records(keys, now)
            for key in keys:
                record = records.get(key)
                until = record.expires_at if record is not None else now + window
                changes.append(PutEphemeral(EphemeralRecord(_KIND, key, until, {"failures": _count(record) + 1})))
            self._store.commit(changes)

    def note_success(self, username: str, address: str) -> None:
        """Forget the failures of a user who has now signed in from this address; for an attempt that `has_failed_before`."""
        key, _ = self._keys(username, address)[0]
        self._store.commit([DeleteEphemeral(_KIND, key)])

    def _records(self, keys: list[str], now: int) -> dict[str, EphemeralRecord]:
        return {record.key: record for record in self._store.ephemerals(_KIND, keys, now)}

    def _keys(self, username: str, address: str) -> list[tuple[str, int]]:
        most, username, address = self._settings.max_attempts, normalize_login_text(username), rate_limit_key(address)
        named = (("both", f"{address}\n{username}", most), ("address", address, most * 3), ("user", username, most * _PER_USER))
        return [(hashlib.sha256(f"{kind}\n{value}".encode("utf-8", "surrogatepass")).hexdigest(), limit) for kind, value, limit in named]


def _count(record: EphemeralRecord | None) -> int:
    return 0 if record is None else int(record.payload["failures"])

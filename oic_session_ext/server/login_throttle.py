"""How often a password may be guessed: failed sign-ins counted in the store, so every server of a cluster knows them."""

from __future__ import annotations

import hashlib
import ipaddress
import threading

from ..clock import Clock
from ..model import EphemeralRecord
from ..store.base import DeleteEphemeral, PutEphemeral, Store
from .client_address import parse_address
from .settings import ThrottleSettings
from .user_settings import normalize_login_text

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
        self._lock = threading.Lock()

    def closed_for(self, username: str, address: str) -> int:
        """Return for how many seconds a sign-in is refused unread, since there were too many failures; 0 when it is looked at."""
        now = self._clock()
        records = [(self._store.ephemeral(_KIND, key, now), limit) for key, limit in self._keys(username, address)]
        return max((record.expires_at - now for record, limit in records if record is not None and self._count(record) >= limit), default=0)

    def note_failure(self, username: str, address: str) -> None:
        """Count a failed sign-in."""
        now, window = self._clock(), self._settings.window_s
        changes = []
        with self._lock:  # guesses side by side are counted one by one
            for key, _ in self._keys(username, address):
                record = self._store.ephemeral(_KIND, key, now)
                until = record.expires_at if record is not None else now + window
                changes.append(PutEphemeral(EphemeralRecord(_KIND, key, until, {"failures": self._count(record) + 1})))
            self._store.commit(changes)

    def note_success(self, username: str, address: str) -> None:
        """Forget the failures of a user who has now signed in from this address."""
        key, _ = self._keys(username, address)[0]
        if self._store.ephemeral(_KIND, key, self._clock()) is not None:
            self._store.commit([DeleteEphemeral(_KIND, key)])

    @staticmethod
    def _count(record: EphemeralRecord | None) -> int:
        return 0 if record is None else int(record.payload["failures"])

    def _keys(self, username: str, address: str) -> list[tuple[str, int]]:
        most, username, address = self._settings.max_attempts, normalize_login_text(username), _household(address)
        named = (("both", f"{address}\n{username}", most), ("address", address, most * 3), ("user", username, most * _PER_USER))
        return [(hashlib.sha256(f"{kind}\n{value}".encode("utf-8", "surrogatepass")).hexdigest(), limit) for kind, value, limit in named]


def _household(address: str) -> str:
    """Return what one attacker has of an address: of IPv6 the whole /64, out of which anybody takes as many as they like."""
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.IPv6Network((parsed.packed[:8] + bytes(8), 64)))

"""How many clients one address may register when anybody may: counted in the store, so every server of a cluster knows them."""

from __future__ import annotations

import hashlib
import threading

from ...clock import Clock
from ...model import EphemeralRecord
from ...store.base import Store
from ...store.changes import PutEphemeral
from ...web.ip_address import rate_limit_key
from ..config.registration import RegistrationSettings

_KIND = "registrations"


class RegistrationThrottle:
    """Counts the registrations of an address within a window that begins with the first of them."""

    def __init__(self, store: Store, settings: RegistrationSettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()

    def closed_for(self, address: str) -> int:
        """Return for how many seconds no further registration is taken, 0 when one is."""
        now = self._clock()
        record = self._store.ephemeral(_KIND, _key(address), now)
        is_closed = record is not None and int(record.payload["count"]) >= self._settings.max_per_address
        return record.expires_at - now if record is not None and is_closed else 0

    def note(self, address: str) -> None:
        """Count a registration that is good by itself; that it fails later at what it leads to is counted too."""
        now, key = self._clock(), _key(address)
        with self._lock:
            record = self._store.ephemeral(_KIND, key, now)
            until, count = (now + self._settings.window_s, 0) if record is None else (record.expires_at, int(record.payload["count"]))
            self._store.commit([PutEphemeral(EphemeralRecord(_KIND, key, until, {"count": count + 1}))])


def _key(address: str) -> str:
    return hashlib.sha256(rate_limit_key(address).encode("utf-8", "surrogatepass")).hexdigest()

"""How many clients one address may register in mode `open`, on all servers together."""

from __future__ import annotations

from ...clock import Clock
from ...cluster.attempt_limit import AttemptLimit, Limit, Reservation
from ...store.base import Store
from ...web.ip_address import rate_limit_key
from ..config.registration import RegistrationSettings


class RegistrationThrottle:
    """Limits the registrations of an address within `window_s`."""

    def __init__(self, store: Store, settings: RegistrationSettings, clock: Clock) -> None:
        self._limit = AttemptLimit(store, "registrations", settings.window_s, clock)
        self._places = settings.max_per_address

    def refused_for(self, address: str) -> int:
        """Count a registration; return 0 if it may be carried out, otherwise in how many seconds the next one may be.

        It counts even if it fails later: what it makes this server fetch has a limit too.
        """
        reserved = self._limit.reserve([Limit(rate_limit_key(address), self._places)])
        return 0 if isinstance(reserved, Reservation) else reserved

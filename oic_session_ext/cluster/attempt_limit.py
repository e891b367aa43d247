"""A limit on attempts that all servers on one store share: each attempt claims a place, and a place is free again after a while.

A limit of 10 has ten places. An attempt claims one of them in the store before it is carried out, so however many attempts come at
the same time, to whichever process or server, no more than ten are carried out within the window. An attempt whose result decides
whether it counts holds its place for a short lease first.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from ..clock import Clock
from ..errors import Conflict
from ..model import EphemeralRecord
from ..store.base import Store
from ..store.changes import ClaimEphemeral, DeleteEphemeral, PutEphemeral

_ATTEMPTS = 8
"""How often free places are looked up while other attempts claim them first."""


_SMALL = 20
_LEASED = {"leased": True}

MAX_PLACES = 1000
"""The largest limit: all of its places are read when it is nearly full."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `places` attempts by this `key` within the window. `key` may be any text; only its digest is stored."""

    key: str
    places: int

    def place(self, number: int) -> str:
        """Return the key of one place in the store."""
        return hashlib.sha256(f"{number}\n{self.key}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Reservation:
    """One place of each limit. `others` are the places of the first limit that other attempts hold, as far as they are known."""

    places: tuple[str, ...]
    others: tuple[str, ...] = ()


class AttemptLimit:
    """Reserves places for attempts of one kind.

    Args:
        store: Holds the places, for all servers.
        kind: Names the attempts in the store; limits of different kinds do not meet.
        window_s: For how many seconds an attempt holds its places.
    """

    def __init__(self, store: Store, kind: str, window_s: int, clock: Clock) -> None:
        self._store = store
        self._kind = kind
        self._window_s = window_s
        self._clock = clock

    def reserve(self, limits: Sequence[Limit], lease_s: int | None = None) -> Reservation | int:
        """Claim a place of every limit in one commit, or of none.

        The places are held for the window, or with `lease_s` for so many seconds, until `count` or `release`. Returns the reservation,
        or in how many seconds the next attempt may be made: 1 if that depends on attempts whose result is not known yet.
        A reservation costs one commit, and a read only if another attempt holds one of the places: a small limit's places are
        claimed in their order, a large one's at random.
        """
        numbers = [0 if limit.places <= _SMALL else secrets.randbelow(limit.places) for limit in limits]
        others: tuple[str, ...] = ()
        for _ in range(_ATTEMPTS):
            now = self._clock()
            places = tuple(limit.place(number) for limit, number in zip(limits, numbers, strict=True))
            records = [self._record(place, now, lease_s) for place in places]
            try:
                self._store.commit([ClaimEphemeral(record, now) for record in records])
            except Conflict:
                pass
            else:
                return Reservation(places, others)
            held = {one.key: one for limit in limits for one in self._held(limit, now)}
            free = [[number for number in range(limit.places) if limit.place(number) not in held] for limit in limits]
            if not all(free):
                full = [limit for limit, numbers_free in zip(limits, free, strict=True) if not numbers_free]
                return max(_next_free([held[limit.place(number)] for number in range(limit.places)], now) for limit in full)
            others = tuple(key for number in range(limits[0].places) if (key := limits[0].place(number)) in held)
            numbers = [secrets.choice(numbers_free) for numbers_free in free]
        return 1  # more attempts at this moment than the store can put in order

    def count(self, *places: str) -> None:
        """Hold leased places for the window: the attempt counts."""
        now = self._clock()
        self._store.commit([PutEphemeral(self._record(place, now, None)) for place in places])

    def release(self, *places: str) -> None:
        """Free places before their window is over: of an attempt that does not count."""
        self._store.commit([DeleteEphemeral(self._kind, place) for place in places])

    def _record(self, place: str, now: int, lease_s: int | None) -> EphemeralRecord:
        if lease_s is None:
            return EphemeralRecord(self._kind, place, now + self._window_s)
        return EphemeralRecord(self._kind, place, now + lease_s, _LEASED)

    def _held(self, limit: Limit, now: int) -> list[EphemeralRecord]:
        return self._store.ephemerals(self._kind, [limit.place(number) for number in range(limit.places)], now)


def _next_free(records: list[EphemeralRecord], now: int) -> int:
    if any(record.payload for record in records):
        return 1
    return min(record.expires_at for record in records) - now

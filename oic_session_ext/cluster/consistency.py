"""What the servers of one store must agree on: the issuer, and the secrets and keys with which things are made.

A server records at its start what it uses, and is refused if it lacks what the others use. While it runs it records that again
before it goes on making things, so that the store knows until when they live: `rotation` goes by that.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ..errors import ConfigError, Conflict, StoreUnavailable
from ..model import EphemeralRecord
from ..store.base import Store
from ..store.changes import ClaimFact, PutEphemeral

CHECK_EVERY_S = 5
"""How often a running server looks whether something else is to be used."""

ANNOUNCED = "announced"
"""Kind of the record of what is to be used next; its key is the name of what is rotated."""

_ISSUER = "issuer"
_IN_USE = "in_use"
_LACKED = "lacked"
_LACKED_FOR_S = 6 * CHECK_EVERY_S
_NOTE_AHEAD_S = 1800
_ATTEMPTS = 3


class Rotated(Protocol):
    """Secrets or keys of which some make new things and all are believed; each has a public id."""

    @property
    def active(self) -> tuple[str, ...]:
        """The ids of what new things are made with."""
        ...

    @property
    def accepted(self) -> tuple[str, ...]:
        """The ids of all that is believed."""
        ...


@dataclass(frozen=True, slots=True)
class Consistency:
    """The servers' agreement on one kind of secrets, by its name in the settings file.

    `lifetime_s` is how long what is made with them is good at most.
    """

    store: Store
    name: str
    lifetime_s: int

    def join(self, held: Rotated, now: int) -> None:
        """Record what this server uses from now on.

        Raises: ConfigError: it lacks what the other servers use.
        """
        for _ in range(_ATTEMPTS):
            used = self._used_by_others(held)
            with suppress(Conflict):  # another server was first
                self.store.commit([ClaimFact(self._fact, " ".join(held.active), instead_of=used)])
                self._note_in_use(held, now)
                return
        raise StoreUnavailable(f"the servers do not agree on {self.name}: too many start at once")

    def check(self, held: Rotated, now: int) -> None:
        """Record again what this server uses, and whether it lacks what is to be used next.

        Raises: ConfigError: the other servers use by now what this one lacks.
        """
        self._used_by_others(held)
        self._note_in_use(held, now)
        announced = self.store.ephemeral(ANNOUNCED, self.name, now)
        lacked = [one for one in announced.payload["ids"] if one not in held.accepted] if announced is not None else []
        if lacked:
            self.store.commit([PutEphemeral(EphemeralRecord(_LACKED, self._key(one), now + _LACKED_FOR_S)) for one in lacked])

    def is_lacked(self, one: str, now: int) -> bool:
        """Return whether a running server has recorded lately that it does not accept this one."""
        return self.store.ephemeral(_LACKED, self._key(one), now) is not None

    def lives_until(self, one: str, now: int) -> int | None:
        """Return the instant until which something made with this one may live; None when nothing does."""
        record = self.store.ephemeral(_IN_USE, self._key(one), now)
        return None if record is None else record.expires_at

    def used_elsewhere(self, held: Rotated) -> list[str]:
        """Return the ids of what the servers of the store use and this one lacks."""
        return [one for one in self.used() if one not in held.accepted]

    def used(self) -> list[str]:
        """Return the ids of what the servers of the store use: as the last one recorded it."""
        return (self.store.fact(self._fact) or "").split()

    def adopt(self, held: Rotated, now: int) -> None:
        """Have the servers agree on what is held here, whatever they used before."""
        self.store.commit([ClaimFact(self._fact, " ".join(held.active), instead_of=self.store.fact(self._fact))])
        self._note_in_use(held, now)

    @property
    def _fact(self) -> str:
        return active_fact(self.name)

    def _key(self, one: str) -> str:
        return f"{self.name} {one}"

    def _used_by_others(self, held: Rotated) -> str | None:
        used = self.store.fact(self._fact)
        lacked = [one for one in (used or "").split() if one not in held.accepted]
        if lacked:
            raise ConfigError(
                self.name,
                f"not those of the other servers: they use {', '.join(lacked)}, which is not here; give this server the same, "
                "or make the store go by these with `oic-session-ext adopt`",
            )
        return used

    def _note_in_use(self, held: Rotated, now: int) -> None:
        """Keep the instant until which things made from now on live, seldom enough to cost nothing."""
        needed = now + self.lifetime_s
        changes = []
        for one in held.active:
            until = self.lives_until(one, now)
            if until is None or until < needed:
                changes.append(PutEphemeral(EphemeralRecord(_IN_USE, self._key(one), needed + _NOTE_AHEAD_S)))
        if changes:
            self.store.commit(changes)


def active_fact(name: str) -> str:
    """Return under which name a store keeps the ids of the secrets or keys that its servers use."""
    return f"{name} in use"


def claim_issuer(store: Store, issuer: str) -> None:
    """Make a store this issuer's. Raises: ConfigError: it is another's, whose RPs know its sessions under that name."""
    try:
        store.commit([ClaimFact(_ISSUER, issuer)])
    except Conflict as err:
        raise ConfigError(
            _ISSUER,
            f"not that of the store, which is {store.fact(_ISSUER)}; another issuer needs a store of its own, "
            "or make the store this one's with `oic-session-ext adopt`",
        ) from err


def issuer_of(store: Store) -> str | None:
    """Return the issuer that a store belongs to, None for a new one."""
    return store.fact(_ISSUER)


def adopt_issuer(store: Store, issuer: str) -> None:
    """Make a store this issuer's, whosever it was."""
    store.commit([ClaimFact(_ISSUER, issuer, instead_of=store.fact(_ISSUER))])

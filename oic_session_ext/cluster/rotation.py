"""The stages in which a secret or key takes another's place: believed by all, then used by all, then taken away.

At no time does one server use what another does not accept, so no user notices (docs/adr/0008-rotation-in-stages.md). Each stage is
refused while it is too early, by what the servers themselves have recorded in the store (`agreement`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, Self

from ..errors import SessionExtError
from ..model import EphemeralRecord
from ..store.changes import DeleteEphemeral, PutEphemeral
from .consistency import ANNOUNCED, Consistency, Rotated

_ANNOUNCED_FOR_S = 3650 * 86400


class Rotatable(Rotated, Protocol):
    """Secrets or keys, as a file holds them."""

    def with_next(self) -> Self:
        """Return these and fresh ones that are believed and not used yet."""
        ...

    def with_active(self, ids: Collection[str]) -> Self:
        """Return the same, with these in use."""
        ...

    def without(self, ids: Collection[str]) -> Self:
        """Return the rest."""
        ...

    def to_text(self) -> str:
        """Return them as they are kept."""
        ...


class NotNow(SessionExtError):
    """A stage of a rotation is not the next one."""


class TooEarly(NotNow):
    """A stage of a rotation must wait until the instant `at`; None when that is not known."""

    def __init__(self, reason: str, at: int | None) -> None:
        super().__init__(reason)
        self.at = at


@dataclass(frozen=True, slots=True)
class Rotation:
    """The rotation of one kind of secrets.

    `wait_s` is how long what is announced must have been known before it is used.
    """

    agreement: Consistency
    wait_s: int

    def begin(self, held: Rotatable) -> Rotatable:
        """Return what every server must hold from now on; to be announced when it is kept.

        Raises: NotNow: a rotation is under way.
        """
        if set(held.accepted) != set(held.active):
            raise NotNow("a rotation is under way; end it with --promote or --retire first")
        return held.with_next()

    def announce(self, held: Rotatable, now: int) -> None:
        """Record which are to be used next: those of `held` that are not used."""
        ids = [one for one in held.accepted if one not in held.active]
        record = EphemeralRecord(ANNOUNCED, self.agreement.name, now + _ANNOUNCED_FOR_S, {"ids": ids, "at": now})
        self.agreement.store.commit([PutEphemeral(record)])

    def announced(self, held: Rotated, now: int) -> tuple[str, ...]:
        """Return the ids of what is to be used next; none when no rotation has begun, or its next ones are used already."""
        record = self.agreement.store.ephemeral(ANNOUNCED, self.agreement.name, now)
        if record is None:
            return ()
        return tuple(one for one in held.accepted if one in record.payload["ids"] and one not in held.active)

    def may_be_used_at(self, now: int) -> int:
        """Return the instant from which on what is announced may be used."""
        record = self.agreement.store.ephemeral(ANNOUNCED, self.agreement.name, now)
        return now if record is None else int(record.payload["at"]) + self.wait_s

    def promote(self, held: Rotatable, now: int, *, at_once: bool = False) -> Rotatable:
        """Return what every server must hold from now on: the next ones are in use.

        Raises:
            NotNow: there are no next ones.
            TooEarly: not every server, or not every RP, can know them yet; never with `at_once`.
        """
        ids = self.announced(held, now)
        if not ids:
            raise NotNow("there is nothing to promote; begin with rotate")
        if not at_once:
            at = self.may_be_used_at(now)
            if now < at:
                raise TooEarly("what was announced is too new to be known everywhere", at)
            if any(self.agreement.is_lacked(one, now) for one in ids):
                raise TooEarly("a server that runs has not got what was announced; give it the same list", None)
        return held.with_active(ids)

    def promoted(self, held: Rotatable, now: int) -> None:
        """Record that what was announced is in use, and that every server must accept it by now."""
        self.agreement.join(held, now)
        self.agreement.store.commit([DeleteEphemeral(ANNOUNCED, self.agreement.name)])

    def retire(self, held: Rotatable, now: int, *, at_once: bool = False) -> Rotatable:
        """Return what every server must hold from now on: the old ones are gone.

        Raises:
            NotNow: there are no old ones, or a server has begun to use one again.
            TooEarly: something made with one may be alive; never with `at_once`.
        """
        old = self.old(held, now)
        if not old:
            raise NotNow("there is nothing to retire: no old one is left")
        if set(old) & set(self.agreement.used()):
            raise NotNow("a server still uses the old one; give it the same list, or restart it")
        if not at_once:
            alive = [until for one in old if (until := self.agreement.lives_until(one, now)) is not None]
            if alive:
                raise TooEarly("what was made with the old one may be alive", max(alive))
        return held.without(old)

    def old(self, held: Rotated, now: int) -> tuple[str, ...]:
        """Return the ids of what is neither in use nor to be used next."""
        announced = self.announced(held, now)
        return tuple(one for one in held.accepted if one not in held.active and one not in announced)

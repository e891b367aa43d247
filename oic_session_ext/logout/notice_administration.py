"""What an operator does to logout notices from outside of any request: look at them, send them again, drop them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..clock import Clock
from ..errors import Conflict
from ..model import Channel, LogoutNotice, NoticeState
from ..store.base import Store
from ..store.changes import DeleteNotice, PutNotice


@dataclass(frozen=True, slots=True)
class NoticeCriteria:
    """Which notices are meant: those that meet every criterion that is not None or empty."""

    ids: tuple[str, ...] = ()
    client_id: str | None = None
    state: NoticeState | None = None

    def are_met_by(self, notice: LogoutNotice) -> bool:
        """Return whether the notice meets every criterion."""
        return (not self.ids or notice.id in self.ids) and self.client_id in (None, notice.client_id) and self.state in (None, notice.state)


class NoticeAdministration:
    """Finds, resends and drops logout notices, straight on the store, beside the workers that deliver them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def find(self, criteria: NoticeCriteria, limit: int) -> Sequence[LogoutNotice]:
        """Return at most `limit` notices that are meant, those due first first. Raises: StoreUnavailable."""
        if criteria.ids:
            found = [notice for notice_id in criteria.ids[:limit] if (notice := self._store.notice(notice_id)) is not None]
            return [notice for notice in found if criteria.are_met_by(notice)]
        return self._store.notices(limit, state=criteria.state, client_id=criteria.client_id)

    def resend(self, notice: LogoutNotice) -> bool:
        """Have an undeliverable notice sent again, at once and as if it had never been tried; False when it is none, or gone.

        No operator can send a front-channel notice: the user's browser would have to.
        Raises: StoreUnavailable.
        """
        if notice.state is not NoticeState.UNDELIVERABLE or notice.channel is not Channel.BACKCHANNEL:
            return False
        try:
            self._store.commit([PutNotice(replace(notice, state=NoticeState.PENDING, attempts=0, problem="", due_at=self._clock()))])
        except Conflict:
            return False
        return True

    def drop(self, notice: LogoutNotice) -> None:
        """Forget a notice: its RP is not told, or not told again. Raises: StoreUnavailable."""
        self._store.commit([DeleteNotice(notice.id)])

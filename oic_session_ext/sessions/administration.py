"""Operator actions on OP sessions, outside of any request: find sessions, preview the RPs to notify, end sessions.

The actions work directly on the store, in parallel with the servers that use it. Each end is one commit, and concurrent
changes by a server are respected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..clients.registry import ClientRegistry
from ..clock import Clock
from ..errors import Conflict
from ..events import NO_HOOKS, Hooks
from ..model import LogoutNotice, OpSession, Reason
from ..settings import SessionManagementSettings
from ..store.base import Store
from ..store.changes import EndOpSession
from ..store.unit_of_work import UnitOfWork
from .op_session import end_if_over, end_op_session

_PAGE = 200
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SessionCriteria:
    """The criteria that select OP sessions: a session must meet every criterion that is not None.

    If every criterion is None, all sessions are selected. `client_id`: the client has an RP session in the OP session.
    `created_before`: the session began before this instant; a later login of the same user in the same browser does not
    change the creation time.
    """

    op_session_id: str | None = None
    sid: str | None = None
    uid: str | None = None
    client_id: str | None = None
    created_before: int | None = None

    def are_met_by(self, session: OpSession) -> bool:
        """Return True if the session meets every criterion."""
        return (
            self.op_session_id in (None, session.id)
            and (self.sid is None or any(rp.sid == self.sid for rp in session.rp_sessions))
            and self.uid in (None, session.uid)
            and (self.client_id is None or session.rp_session_of(self.client_id) is not None)
            and (self.created_before is None or session.created_at < self.created_before)
        )


class SessionAdministration:
    """Find and end OP sessions for an operator."""

    def __init__(
        self, store: Store, clients: ClientRegistry, settings: SessionManagementSettings, clock: Clock, hooks: Hooks = NO_HOOKS
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._clients = clients
        self._settings = settings
        self._clock = clock

    def find(self, criteria: SessionCriteria) -> Iterator[OpSession]:
        """Yield the selected OP sessions, oldest first, read page by page; include expired sessions not yet swept.

        Sessions that begin during the iteration are left out, so that the iteration ends on a busy OP. A yielded
        session may have ended in the meantime.
        Raises: StoreUnavailable.
        """
        if criteria.op_session_id is not None or criteria.sid is not None:
            found = self._one(criteria)
            yield from [found] if found is not None and criteria.are_met_by(found) else []
        elif criteria.uid is not None:
            yield from filter(criteria.are_met_by, self._store.op_sessions_of_user(criteria.uid))
        else:
            yield from self._pages(criteria)

    def plan_end(self, session: OpSession) -> list[LogoutNotice]:
        """Return the notices that the end of the session would record now; change nothing."""
        return self._prepare(session)[1]

    def end(self, session: OpSession) -> list[LogoutNotice] | None:
        """End an OP session; return the recorded notices, or None if the session had already ended.

        On a concurrent change, the session is read again, so that a client that has just joined it is notified too.
        Offline grants are kept, as after every logout (OIDCBCL-2.7). The reason is `admin`, or the reason for which the
        session had already expired.
        Raises: StoreUnavailable: the session has not ended. Conflict: the session changed at each attempt.
        """
        present: OpSession | None = session
        for attempt in range(1, _ATTEMPTS + 1):
            if present is None:
                return None
            uow, notices = self._prepare(present)
            try:
                uow.commit()
                return notices
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
                present = self._store.op_session(session.id)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _prepare(self, session: OpSession) -> tuple[UnitOfWork, list[LogoutNotice]]:
        uow = UnitOfWork(self._store, self._clock(), hooks=self._hooks)
        if end_if_over(uow, session, self._clients, self._settings) is not None:
            end_op_session(uow, session, Reason.ADMIN, self._clients, self._settings)
        return uow, [notice for change in uow.pending() if isinstance(change, EndOpSession) for notice in change.notices]

    def _one(self, criteria: SessionCriteria) -> OpSession | None:
        op_session_id = criteria.op_session_id
        if op_session_id is None and criteria.sid is not None:
            op_session_id = self._store.op_session_id_of_sid(criteria.sid)
        return None if op_session_id is None else self._store.op_session(op_session_id)

    def _pages(self, criteria: SessionCriteria) -> Iterator[OpSession]:
        until = self._clock() + 1
        before = until if criteria.created_before is None else min(until, criteria.created_before)
        after = (0, "")
        while page := self._store.list_op_sessions(client_id=criteria.client_id, created_before=before, limit=_PAGE, after=after):
            yield from page
            after = (page[-1].created_at, page[-1].id)

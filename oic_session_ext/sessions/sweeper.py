"""Periodic cleanup outside of requests: end the sessions that have timed out, and remove expired records.

Batches are bounded, so that a sweep never holds the store for long. Several servers may sweep at once: each session is
ended exactly once.
"""

from __future__ import annotations

import logging

from ..clients.registry import ClientRegistry
from ..clock import Clock
from ..errors import Conflict, StoreError
from ..events import NO_HOOKS, Hooks
from ..settings import SessionManagementSettings
from ..store.base import Store
from ..store.unit_of_work import UnitOfWork
from .op_session import end_if_over

logger = logging.getLogger("oic_session_ext")

SWEEP_EVERY_S = 30
_BATCH = 200
_BATCHES = 20


class Sweeper:
    """End timed-out sessions and remove expired records; the caller calls `sweep` every `SWEEP_EVERY_S` seconds."""

    def __init__(
        self, store: Store, clients: ClientRegistry, settings: SessionManagementSettings, clock: Clock, hooks: Hooks = NO_HOOKS
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._clients = clients
        self._settings = settings
        self._clock = clock

    def sweep(self) -> int:
        """End the sessions that have timed out and remove expired records; return the number of ended sessions.

        Raises nothing, because an exception would end the thread that calls it periodically.
        """
        try:
            ended = self._end_sessions()
            for _ in range(_BATCHES):
                swept = self._store.sweep(self._clock(), _BATCH)
                if max(swept.grants, swept.ephemerals, swept.notices) < _BATCH:
                    break
        except StoreError as err:
            logger.warning("sweep postponed: %s", err)
            return 0
        except Exception:
            logger.exception("sweep: unexpected error")
            return 0
        if ended:
            logger.info("sweep: ended %d timed-out sessions", ended)
        return ended

    def _end_sessions(self) -> int:
        ended = 0
        for _ in range(_BATCHES):
            over = self._store.due_op_sessions(self._clock(), _BATCH)
            for session in over:
                uow = UnitOfWork(self._store, self._clock(), hooks=self._hooks)
                end_if_over(uow, session, self._clients, self._settings)
                try:
                    uow.commit()
                    ended += 1
                except Conflict:
                    continue  # changed concurrently; the next sweep tries again
            if len(over) < _BATCH:
                break
        return ended

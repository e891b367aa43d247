"""Back-channel delivery in the OP's own process: started with the routes, or by the server (OIDCBCL-2.5)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...logout.backchannel.delivery import Delivery
from ...logout.backchannel.notice_worker import DeliveryParts
from ...model import LogoutNotice, NotifyStatus
from ...store.base import Store
from ..parts import OpParts
from .logout_token import LogoutTokens

logger = logging.getLogger("oic_session_ext")

_STOP_WAIT_S = 10.0


class NoticeDelivery:
    """Starts, stops and uses the delivery of one OP.

    Attributes:
        running: Notifies RPs while the user waits; None leaves that to another process, and the page reports so.
    """

    def __init__(self, parts: OpParts, store: Store, tokens: LogoutTokens) -> None:
        self._parts = parts
        self._store = store
        self.tokens = tokens
        self._starting = threading.Lock()
        self._runs_in: int | None = None
        self.running: Delivery | None = None

    @property
    def lease_s(self) -> int:
        """For how long a logout's own process may work at its notices before another one does."""
        return self._parts.settings.delivery.lease_s if self.running is not None else 0

    def notify_now(self, notices: Sequence[LogoutNotice]) -> Mapping[str, NotifyStatus]:
        """Return what is known of committed notices by the deadline; after a fault they wait for a worker, since the logout took place."""
        if self.running is None or not notices:
            return {}
        try:
            return self.running.notify(notices, self._parts.settings.logout_deadline_s)
        except Exception:
            logger.exception("the RPs were not notified at once; their notices wait for a worker")
            return {}

    def new(self) -> Delivery:
        """Return a delivery of this OP's notices that is not started."""
        parts = self._parts
        return Delivery(
            DeliveryParts(
                self._store,
                parts.clients,
                self.tokens,
                parts.settings.delivery,
                parts.issuer,
                parts.clock,
                parts.hooks,
                parts.outbound,
                parts.public_keys,
            )
        )

    def start(self) -> None:
        """Start to notify RPs over the back channel, in threads of this process; once, and after any fork.

        Without it notices are recorded and left to another process: a server, or `oic-session-ext deliver`.
        """
        delivery = self.new()
        delivery.start()
        self.running = delivery
        self._runs_in = os.getpid()

    def ensure_started(self) -> None:
        """Start unless this process has started it already; threads of before a fork do not exist after it."""
        if self._runs_in != os.getpid():
            with self._starting:
                if self._runs_in != os.getpid():
                    self.start()

    def stop(self, timeout_s: float = _STOP_WAIT_S) -> None:
        """Stop what `start` started, and wait for attempts that are under way for at most `timeout_s`. Close the store after it."""
        delivery, self.running = self.running, None
        if isinstance(delivery, Delivery):
            delivery.stop(timeout_s)
        self._parts.outbound.stop()

    def started_with(self, application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """Return a WSGI application that starts the delivery with the first request in each process."""

        def delivering(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            self.ensure_started()
            return application(environ, start_response)

        return delivering

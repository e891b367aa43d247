"""Events for listeners: the log, the metrics, a deployer's own code.

An event is emitted after the change is durable, never before. It holds whole values of `model`, so a listener must
not pass on what is secret in them: `OpSession.cookie_digest` and `sid_seed` least of all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .model import LogoutNotice, OpSession, Reason

logger = logging.getLogger("oic_session_ext")


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """A user has signed in and has an OP session that was not there before."""

    session: OpSession


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """An OP session is gone, with its tokens; `notices` are recorded and will be delivered or given up on, each of them."""

    session: OpSession
    reason: Reason
    notices: tuple[LogoutNotice, ...]


@dataclass(frozen=True, slots=True)
class FrontchannelAsked:
    """The user's browser was given a page that loads these clients' front-channel logout URIs; whether it worked cannot be known."""

    session: OpSession
    client_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoticeDelivered:
    """An RP has answered that it knows; `latency_s` is the seconds from the end of the session to that answer."""

    notice: LogoutNotice
    latency_s: float


@dataclass(frozen=True, slots=True)
class NoticeDeferred:
    """An attempt failed for a reason that may pass; the notice has the problem and when the next attempt is due."""

    notice: LogoutNotice


@dataclass(frozen=True, slots=True)
class NoticeUndeliverable:
    """An RP will not be notified unless an operator sends the notice again; the notice has the problem."""

    notice: LogoutNotice


@dataclass(frozen=True, slots=True)
class BreakerOpened:
    """An RP keeps failing: nothing is sent to it from this process before `until` (UTC seconds)."""

    client_id: str
    until: int


@dataclass(frozen=True, slots=True)
class BreakerClosed:
    """An RP that kept failing answers again."""

    client_id: str


@dataclass(frozen=True, slots=True)
class RequestToHostRefused:
    """A request of this OP to another server was not sent, to protect other requests.

    `problem` is `busy` (too many requests are under way), `breaker_open` (the host keeps failing, requests to it pause) or
    `waiting_threads` (too many threads wait for other servers; the request that needed it was answered with 503).
    """

    host: str
    problem: str


Event: TypeAlias = (
    SessionBegan
    | SessionEnded
    | FrontchannelAsked
    | NoticeDelivered
    | NoticeDeferred
    | NoticeUndeliverable
    | BreakerOpened
    | BreakerClosed
    | RequestToHostRefused
)
Listener: TypeAlias = Callable[[Event], None]


class Hooks:
    """The listeners of one server; `Hooks()` has none.

    A listener is called in the thread in which the thing happened, a request's or the delivery's: it should return at once. What
    it raises is logged and goes no further.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def emit(self, event: Event) -> None:
        """Call every listener with an event, in order."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s", type(event).__name__)


NO_HOOKS = Hooks()
"""No listeners."""

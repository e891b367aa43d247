"""Whether a session still exists, without cookies: to the OP iframe by `session_state`, to a client's server by `sid`.

Asking changes nothing: it keeps no session alive and ends none (docs/adr/0012-session-status.md).
"""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple, TypeAlias

from ..clock import Clock
from ..model import Reason
from ..sessions.op_session import ENDED_SID, why_over
from ..store.base import Store
from .sealed_salt import SealedSalts
from .session_state import salt_of, verify_session_state

IframeStatus: TypeAlias = Literal["unchanged", "changed", "error"]

_FRESH_S = 5
_MOST_KEPT = 10_000


class SessionStatus:
    """Answers for a browser that hides its cookies from the iframe.

    The store's answer for an OP session is kept for five seconds, so that all its RPs and tabs together cost one look-up in that time.
    """

    def __init__(self, store: Store, handles: SealedSalts, clock: Clock) -> None:
        self._store = store
        self._handles = handles
        self._clock = clock
        self._known: dict[str, tuple[int, str | None]] = {}
        self._lock = threading.Lock()

    def of(self, client_id: str, origin: str, session_state: str) -> IframeStatus:
        """Return what the iframe would answer if it saw the cookie, as far as the OP can know it.

        `error` is for a value that this OP has not issued to this client and origin, or not for a user who was signed in; it costs no
        look-up. A user who has signed in since in the same browser is not known here: `changed` means that the session of `session_state`
        is not there any more.
        Raises: StoreUnavailable: the store does not answer.
        """
        salt = salt_of(session_state)
        op_session_id = None if salt is None else self._handles.open(salt, client_id, origin)
        if op_session_id is None:
            return "error"
        state = self._browser_state_of(op_session_id)
        return "unchanged" if state is not None and verify_session_state(session_state, client_id, origin, state) else "changed"

    def _browser_state_of(self, op_session_id: str) -> str | None:
        """Return the `op_browser_state` of an OP session, None when it has ended."""
        now = self._clock()
        with self._lock:
            looked_up_at, state = self._known.get(op_session_id, (now - _FRESH_S, None))
        if now - looked_up_at < _FRESH_S:
            return state
        session = self._store.op_session(op_session_id)
        state = session.op_browser_state if session is not None and session.is_live(now) else None
        with self._lock:
            self._known.pop(op_session_id, None)  # so that the oldest stand first
            self._known[op_session_id] = (now, state)
            while len(self._known) > _MOST_KEPT:
                del self._known[next(iter(self._known))]
        return state


class SidStatus(NamedTuple):
    """What a client may know of an RP session; `reason` is why it has ended, None when it has not or is not known."""

    status: Literal["live", "ended", "unknown"]
    reason: Reason | None = None


def status_of_sid(store: Store, sid: str, client_id: str, now: int) -> SidStatus:
    """Return what has become of an RP session of this client.

    That of another client is unknown, just as one that never was and one that ended longer ago than `recent_s`.
    """
    op_session_id = store.op_session_id_of_sid(sid)
    session = None if op_session_id is None else store.op_session(op_session_id)
    if session is not None:
        joined = session.rp_session_of(client_id)
        if joined is None or joined.sid != sid:
            return SidStatus("unknown")
        return SidStatus("live") if session.is_live(now) else SidStatus("ended", why_over(session, now))
    ended = store.ephemeral(ENDED_SID, sid, now)
    if ended is None or ended.payload["client_id"] != client_id:
        return SidStatus("unknown")
    return SidStatus("ended", Reason(ended.payload["reason"]))

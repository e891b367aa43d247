"""A logout whose page asks again: no thread waits until all RPs are notified, the browser does.

The page goes out after a brief wait. While RPs are still being notified, it carries a handle with which the browser asks again, every
second, at any server. The handle is good for some minutes and any number of times, so a reload, a lost response or a tab that
was in the background meanwhile is no dead end (docs/adr/0022-waiting-for-third-parties.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..crypto.opaque_secret import digest_of, new_secret
from ..model import EphemeralRecord, NotifyStatus
from ..store.base import Store
from ..store.changes import PutEphemeral
from ..store.unit_of_work import UnitOfWork
from .end_session import EndSessionParts, LoggedOut, outcome_of
from .recent_logout import RecentLogout, as_recorded, recorded

PARKED_LOGOUT = "parked_logout"
"""Kind of the short-lived records that hold it, by the digest of the handle."""

_KEPT_S = 600


@dataclass(frozen=True, slots=True)
class ParkedLogout:
    """The outcome as far as it is known now.

    `asks_again` is true while RPs are still being notified and the deadline of the logout is not over; then the page stays, and asks
    again. Otherwise the browser goes on: to `outcome.redirect_to` if all RPs are notified, to the page that names the others if not.
    The page must not load the front-channel frames of `outcome.rps` again.
    """

    outcome: LoggedOut
    asks_again: bool


def park_logout(store: Store, recent: RecentLogout, now: int, deadline_s: float) -> str:
    """Keep a logout for its page that asks again; return the handle. Called after the session has ended.

    The page asks again until `deadline_s` after `now`. Raises: StoreUnavailable: the page cannot ask again, and reports what is known.
    """
    handle = new_secret()
    payload = {"logout": recorded(recent), "until": now + math.ceil(deadline_s)}
    store.commit([PutEphemeral(EphemeralRecord(PARKED_LOGOUT, handle.digest, now + _KEPT_S, payload))])
    return handle.value


def parked_logout(handle: str, uow: UnitOfWork, parts: EndSessionParts) -> ParkedLogout | None:
    """Return how far the logout has got, by the store, so that any server may be asked; None if the handle is unknown or too old."""
    digest = digest_of(handle)
    record = None if digest is None else uow.ephemeral(PARKED_LOGOUT, digest)
    if record is None:
        return None
    outcome = outcome_of(as_recorded(record.payload["logout"]), uow, parts)
    is_pending = NotifyStatus.PENDING in outcome.told.values()
    return ParkedLogout(outcome, asks_again=is_pending and uow.now < record.payload["until"])

"""What a browser has not yet seen of its logout, kept for a short while in the commit that ends the session.

A server may die between that commit and the page, and a user may press a button twice. The browser then still sends the ended
session's cookie, and gets the page with its front-channel frames after all. (The back channel needs no such help: its notices are
in the store.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..model import EphemeralRecord, NotifyStatus
from ..store.changes import PutEphemeral
from ..store.unit_of_work import UnitOfWork
from .backchannel.notice_status import notice_statuses
from .report import EndedRp

KEPT_LOGOUT = "kept_logout"
"""Kind of the short-lived records that hold it, by the ended session's cookie digest."""

_KEPT_S = 120


@dataclass(frozen=True, slots=True)
class RecentLogout:
    """The RPs of an ended session, and the request that the user had agreed to; `redirect_uri` is to be checked again."""

    rps: tuple[EndedRp, ...]
    client_id: str | None
    redirect_uri: str | None
    state: str | None
    ui_locales: tuple[str, ...]


def remember_logout(uow: UnitOfWork, cookie_digest: str, kept: RecentLogout) -> None:
    """Keep it for two minutes, for the browser that still has the cookie of the ended session.

    It is not taken when it is shown: an impatient user may ask more than twice, and to be asked again does no RP harm.
    """
    uow.add(PutEphemeral(EphemeralRecord(KEPT_LOGOUT, cookie_digest, uow.now + _KEPT_S, recorded(kept))))


def recorded(kept: RecentLogout) -> dict[str, Any]:
    """Return it as a payload of a record."""
    return {
        "rps": [asdict(rp) for rp in kept.rps],
        "client_id": kept.client_id,
        "redirect_uri": kept.redirect_uri,
        "state": kept.state,
        "ui_locales": list(kept.ui_locales),
    }


def recent_logout(uow: UnitOfWork, cookie_digest: str | None) -> RecentLogout | None:
    """Return what this browser's cookie still has to see, None for nothing."""
    record = None if cookie_digest is None else uow.ephemeral(KEPT_LOGOUT, cookie_digest)
    if record is None:
        return None
    return as_recorded(record.payload)


def as_recorded(payload: Mapping[str, Any]) -> RecentLogout:
    """Return what `recorded` has made a payload of."""
    rps = tuple(EndedRp(**rp) for rp in payload["rps"])
    return RecentLogout(rps, payload["client_id"], payload["redirect_uri"], payload["state"], tuple(payload["ui_locales"]))


def notified_by_now(uow: UnitOfWork, rps: tuple[EndedRp, ...]) -> dict[str, NotifyStatus]:
    """Return what the store knows of these RPs' notices, one look-up each; one that is not there any more was delivered."""
    return notice_statuses(uow.store, filter(None, (rp.notice_id for rp in rps)))

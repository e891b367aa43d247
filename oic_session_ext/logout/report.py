"""The report for the user at the end of a logout: one status per RP of the session, which claims no more than is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..clients.registry import ClientRegistry
from ..model import Channel, LogoutNotice, NotifyStatus, OpSession
from ..settings import DeliverySettings
from .frontchannel import frontchannel_frame, plan_frontchannel

_LONGEST_NAME = 80


class RpStatus(StrEnum):
    """Whether an RP has signed the user out, as far as the OP knows.

    `asked` is by a frame, whose success the OP cannot see (OIDCFCL-4.1).
    """

    SIGNED_OUT = "signed_out"
    PENDING = "pending"
    UNREACHABLE = "unreachable"
    ASKED = "asked"
    SIGNED_OUT_AND_ASKED = "signed_out_and_asked"
    PENDING_AND_ASKED = "pending_and_asked"
    UNREACHABLE_AND_ASKED = "unreachable_and_asked"
    NOT_TOLD = "not_told"
    """It registered no logout URI, or is registered no longer: it may notice by session management, or not at all."""

    @property
    def is_unfinished(self) -> bool:
        """Whether an RP with a logout channel was not notified, so that the user should have time to read it."""
        return self.startswith(("pending", "unreachable"))


_BY_NOTICE = {
    NotifyStatus.DELIVERED: (RpStatus.SIGNED_OUT, RpStatus.SIGNED_OUT_AND_ASKED),
    NotifyStatus.PENDING: (RpStatus.PENDING, RpStatus.PENDING_AND_ASKED),
    NotifyStatus.UNDELIVERABLE: (RpStatus.UNREACHABLE, RpStatus.UNREACHABLE_AND_ASKED),
}


@dataclass(frozen=True, slots=True)
class EndedRp:
    """One RP of a session that has ended.

    `name` is the client's own text, bounded. `notice_id` is its back-channel notice, `frame` the front-channel URI to load; None
    where it has no such channel. `wants_to_know` is whether it registered one of them.
    """

    client_id: str
    name: str
    notice_id: str | None
    frame: str | None
    wants_to_know: bool

    def status(self, told: Mapping[str, NotifyStatus]) -> RpStatus:
        """Return what is known, given what became of the notices by now; one that is not in `told` is still to be delivered."""
        if self.notice_id is not None:
            return _BY_NOTICE[told.get(self.notice_id, NotifyStatus.PENDING)][self.frame is not None]
        if self.frame is not None:
            return RpStatus.ASKED
        return RpStatus.UNREACHABLE if self.wants_to_know else RpStatus.NOT_TOLD


def ended_rps(
    session: OpSession, notices: Sequence[LogoutNotice], clients: ClientRegistry, issuer: str, settings: DeliverySettings
) -> tuple[EndedRp, ...]:
    """Return the RPs of a session that ends with these notices, in the order in which the user signed in to them."""
    by_sid = {notice.sid: notice.id for notice in notices if notice.channel is Channel.BACKCHANNEL}
    in_front = {rp.sid: frontchannel_frame(rp, metadata, issuer) for rp, metadata in plan_frontchannel(session, clients, settings)}
    return tuple(
        EndedRp(
            client_id=rp.client_id,
            name=shown_name(rp.client_id, clients),
            notice_id=by_sid.get(rp.sid),
            frame=in_front.get(rp.sid),
            wants_to_know=rp.sid in by_sid or rp.sid in in_front,
        )
        for rp in session.rp_sessions
    )


def shown_name(client_id: str, clients: ClientRegistry) -> str:
    """Return what to call a client on a page: its `client_name`, else its `client_id`, cut where it is very long."""
    metadata: Mapping[str, Any] = clients.get(client_id) or {}
    given = metadata.get("client_name")
    name = given if isinstance(given, str) and given.strip() else client_id
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"

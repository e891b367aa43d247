"""The RPs to notify of the end of an OP session: one notice per back-channel RP, one iframe per front-channel RP."""

from __future__ import annotations

import secrets

from ..clients.registry import ClientRegistry
from ..model import NEEDS_BROWSER, Channel, LogoutNotice, NoticeState, OpSession, Reason, RpSession
from ..settings import DeliverySettings


def plan_notices(
    session: OpSession,
    reason: Reason,
    clients: ClientRegistry,
    now: int,
    settings: DeliverySettings,
    *,
    on_page: bool = False,
    due_in_s: int = 0,
) -> list[LogoutNotice]:
    """Return the notices that the end of a session requires.

    Every RP of the session is notified, including the RP that requested the logout (OIDCRIL-2), over each channel that
    it registered. A client that is no longer registered is not notified.

    `on_page`: the user's browser is about to show the logout page, which loads the front-channel URIs, so that these
    need no notice. Without the page, no browser loads them (OIDCFCL-3), and a client that has only a front channel gets
    a notice that is undeliverable from the start, so that an operator can see which RPs were not notified.

    `due_in_s` is the lease of a caller that notifies the RPs itself: no worker sends the notices before it ends. 0: any
    worker may send them at once.
    """
    notices = []
    for rp in session.rp_sessions:
        metadata = clients.get(rp.client_id) or {}
        if settings.backchannel and metadata.get("backchannel_logout_uri"):
            notices.append(_notice(Channel.BACKCHANNEL, session, rp, reason, now, now + due_in_s))
        elif settings.frontchannel and metadata.get("frontchannel_logout_uri") and not on_page:
            kept_until = now + settings.undeliverable_kept_s
            notices.append(_notice(Channel.FRONTCHANNEL, session, rp, reason, now, kept_until, NoticeState.UNDELIVERABLE, NEEDS_BROWSER))
    return notices


def _notice(
    channel: Channel,
    session: OpSession,
    rp: RpSession,
    reason: Reason,
    now: int,
    due_at: int,
    state: NoticeState = NoticeState.PENDING,
    problem: str = "",
) -> LogoutNotice:
    return LogoutNotice(
        id=secrets.token_hex(16),  # hex never begins with a dash: operators type it on a command line
        channel=channel,
        client_id=rp.client_id,
        uid=session.uid,
        sub=rp.sub,
        sid=rp.sid,
        reason=reason,
        ended_at=now,
        due_at=due_at,
        state=state,
        problem=problem,
    )

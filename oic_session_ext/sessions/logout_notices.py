"""Which RPs are notified that an OP session ended, and how: one notice per RP session and back channel, one iframe per front channel."""

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
    """Return the notices that the end of a session calls for.

    Every RP of the session is told, the one that asked included (OIDCRIL-2), over each channel that it registered; a client that
    is no longer registered is not notified. `on_page` is whether the user's browser is about to show the logout page, which loads
    the front-channel URIs: these need no notice then. Without it no browser can load them (OIDCFCL-3), so a client with nothing but a
    front channel gets a notice that is undeliverable from the start: an operator can see which RPs were not notified.

    `due_in_s` is the lease of a caller that notifies the RPs itself at once: no worker does before. 0 leaves it to any worker.
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
        id=secrets.token_hex(16),  # never begins with a dash: operators type it on a command line
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

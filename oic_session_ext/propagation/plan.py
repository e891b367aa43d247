"""Who is told that an OP session ended, and how: one notice per RP session and registered channel."""

from __future__ import annotations

import secrets

from ..clients import ClientRegistry
from ..model import Channel, LogoutNotice, OpSession, Reason

_URI_OF = {Channel.BACKCHANNEL: "backchannel_logout_uri", Channel.FRONTCHANNEL: "frontchannel_logout_uri"}


def plan_notices(session: OpSession, reason: Reason, clients: ClientRegistry, now: int) -> list[LogoutNotice]:
    """Return the notices that the end of a session calls for, due at once.

    Every RP of the session is told, the one that asked included (OIDCRIL-2), over each channel that it registered; a client that
    is registered no longer is told nothing.
    """
    notices = []
    for rp in session.rp_sessions:
        metadata = clients.get(rp.client_id) or {}
        for channel, name in _URI_OF.items():
            if metadata.get(name):
                notices.append(
                    LogoutNotice(
                        id=secrets.token_urlsafe(16),
                        channel=channel,
                        client_id=rp.client_id,
                        uid=session.uid,
                        sub=rp.sub,
                        sid=rp.sid,
                        reason=reason,
                        ended_at=now,
                        due_at=now,
                    )
                )
    return notices

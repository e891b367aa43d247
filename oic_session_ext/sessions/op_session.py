"""The life cycle of an OP session: begin at login, use, join by RPs, end. Each step adds changes to a unit of work.

No function here commits. On `Conflict`, the caller reads the session again and repeats the step.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import replace

from ..clients.registry import ClientRegistry
from ..crypto.opaque_secret import digest_of, new_secret
from ..crypto.record_id import new_record_id
from ..errors import ProtocolError
from ..events import SessionBegan, SessionEnded
from ..model import EphemeralRecord, LogoutNotice, OpSession, Reason, RpSession
from ..settings import SessionManagementSettings
from ..store.changes import AddRpSession, EndOpSession, PutEphemeral, PutOpSession, TouchOpSession, UpdateOpSession
from ..store.unit_of_work import UnitOfWork
from .logout_notices import plan_notices

ENDED_SID = "ended_sid"
"""Kind of the short-lived records that keep the RP sessions of ended OP sessions, by `sid`."""

_LOGOUTS = frozenset({Reason.RP_INITIATED, Reason.USER, Reason.ADMIN, Reason.PASSWORD_CHANGED})
"""Reasons that count as an explicit logout. Expiry and replacement by another user do not: they keep offline access."""

_SID_LENGTH = 32
_TOUCH_EVERY_S = 60


class TooManyRpSessions(ProtocolError):
    """The OP session has reached its maximum number of RPs; the user must sign out before signing in to another RP."""

    error = "access_denied"


def op_session_of_cookie(uow: UnitOfWork, cookie_value: str | None) -> OpSession | None:
    """Return the OP session that a browser's cookie identifies, or None.

    An expired session is returned too, because it must still be ended: check `is_live`, and pass the session to
    `begin_op_session` or `end_if_over`.
    """
    digest = digest_of(cookie_value)
    return None if digest is None else uow.op_session_by_cookie(digest)


def begin_op_session(
    uow: UnitOfWork,
    *,
    uid: str,
    acr: str,
    auth_time: int,
    present: OpSession | None,
    settings: SessionManagementSettings,
    clients: ClientRegistry,
) -> tuple[OpSession, str]:
    """Begin or continue a session at login; return the session as it will be stored, and the secret for the cookie.

    `present` is the session that the browser's cookie identified before, live or not. If it is live and belongs to the
    same user, it continues with a new `auth_time` and a new time limit, and its RPs are not affected. If it belongs to
    another user or has expired, it is ended in the same commit. The cookie's secret is always new, so that a cookie
    planted by an attacker before the login is invalid after it (session fixation).
    """
    secret = new_secret()
    if present is not None and present.is_live(uow.now) and present.uid == uid:
        changed = replace(
            present,
            cookie_digest=secret.digest,
            auth_time=auth_time,
            acr=acr,
            last_active_at=uow.now,
            idle_expires_at=uow.now + settings.idle_timeout_s,
            expires_at=uow.now + settings.absolute_timeout_s,
        )
        uow.add(UpdateOpSession(changed))
        return replace(changed, version=present.version + 1), secret.value
    if present is not None:
        reason = Reason.REPLACED if present.is_live(uow.now) else why_over(present, uow.now)
        end_op_session(uow, present, reason, clients, settings)
    session = OpSession(
        id=new_record_id(uow.now),
        cookie_digest=secret.digest,
        uid=uid,
        auth_time=auth_time,
        acr=acr,
        op_browser_state=new_op_browser_state(),
        sid_seed=secrets.token_urlsafe(32),
        created_at=uow.now,
        last_active_at=uow.now,
        idle_expires_at=uow.now + settings.idle_timeout_s,
        expires_at=uow.now + settings.absolute_timeout_s,
    )
    uow.add(PutOpSession(session))
    uow.emit(SessionBegan(session))
    return session, secret.value


def use_op_session(uow: UnitOfWork, session: OpSession, settings: SessionManagementSettings) -> None:
    """Record that a browser has used its session, so that the idle timeout starts again.

    The time is written at most once a minute (or once per tenth of a short idle timeout). Silent renewals by RPs are
    much more frequent, and a durable write for each would only extend the session by up to a minute.
    """
    if uow.now - session.last_active_at >= min(_TOUCH_EVERY_S, settings.idle_timeout_s // 10):
        uow.add(TouchOpSession(session.id, uow.now, uow.now + settings.idle_timeout_s))


def join_rp(uow: UnitOfWork, session: OpSession, client_id: str, sub: str, settings: SessionManagementSettings) -> RpSession:
    """Return the RP session of a client in an OP session; create it if it does not exist.

    The `sid` is derived from the session's random seed and the client id: concurrent requests compute the same value,
    no other party can compute it, and no two clients share it (OIDCFCL-3, OIDCBCL-2.1).

    Raises: TooManyRpSessions: the session already has `max_rp_sessions`.
    """
    joined = session.rp_session_of(client_id)
    if joined is not None:
        return joined
    if len(session.rp_sessions) >= settings.max_rp_sessions:
        raise TooManyRpSessions("you are signed in to too many applications; sign out first")
    mac = hmac.new(session.sid_seed.encode(), client_id.encode(), hashlib.sha256).digest()
    sid = base64.urlsafe_b64encode(mac).decode("ascii")[:_SID_LENGTH]
    rp_session = RpSession(sid=sid, client_id=client_id, sub=sub, created_at=uow.now)
    uow.add(AddRpSession(session.id, rp_session))
    return rp_session


def end_op_session(
    uow: UnitOfWork,
    session: OpSession,
    reason: Reason,
    clients: ClientRegistry,
    settings: SessionManagementSettings,
    *,
    on_page: bool = False,
    due_in_s: int = 0,
) -> list[LogoutNotice]:
    """Remove an OP session, its RP sessions and their grants, and record the notices to send, in one commit.

    Returns the recorded notices; `on_page` and `due_in_s` are those of `plan_notices`. Each `sid` is kept for
    `recent_s`, so that a late logout request of its RP is still recognised (OIDCRIL-2). Grants with `offline_access`
    are kept unless `revoke_offline_access` is set and the end is an explicit logout (OIDCBCL-2.7).
    """
    notices = plan_notices(session, reason, clients, uow.now, settings.delivery, on_page=on_page, due_in_s=due_in_s)
    uow.add(EndOpSession(session, notices, keeps_offline=not (settings.revoke_offline_access and reason in _LOGOUTS)))
    uow.emit(SessionEnded(session, reason, tuple(notices)))
    for rp in session.rp_sessions:
        payload = {"client_id": rp.client_id, "sub": rp.sub, "op_session_id": session.id, "reason": reason.value}
        uow.add(PutEphemeral(EphemeralRecord(ENDED_SID, rp.sid, uow.now + settings.recent_s, payload)))
    return notices


def end_if_over(
    uow: UnitOfWork, session: OpSession | None, clients: ClientRegistry, settings: SessionManagementSettings
) -> OpSession | None:
    """Return the session if it is live; otherwise return None, and end an expired session in this unit of work."""
    if session is None or session.is_live(uow.now):
        return session
    end_op_session(uow, session, why_over(session, uow.now), clients, settings)
    return None


def why_over(session: OpSession, now: int) -> Reason:
    """Return the reason for which an expired session is over: absolute timeout or idle timeout."""
    return Reason.EXPIRED if now >= session.expires_at else Reason.IDLE


def new_op_browser_state() -> str:
    """Return a new `op_browser_state`: 256 random bits in base64url, unrelated to the user (SM-12, OIDCSM-3.2)."""
    return secrets.token_urlsafe(32)

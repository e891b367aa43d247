"""The use case of `end_session_endpoint`: what a request proves, whether the user is asked, what ends, where the browser goes.

The browser's cookie decides whose session may end, the hint never does: it names the client and can spare the user the
question (docs/adr/0002-when-confirmation-is-asked.md). Nothing here commits; on `Conflict` the caller reads the OP session
again and runs the same step again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from ..clients.registry import ClientRegistry
from ..errors import InvalidRequest, UnknownClient
from ..model import LogoutNotice, NotifyStatus, OpSession, Reason, RpSession
from ..sessions.op_session import ENDED_SID, end_op_session
from ..settings import SessionManagementSettings
from ..store.unit_of_work import UnitOfWork
from ..web.parameters import with_parameters
from .confirmation import PendingLogout, issue_confirmation, take_confirmation
from .end_session_request import EndSessionRequest
from .id_token_hint import BadHint, Hint, HintKeys, HintProblem, verify_id_token_hint
from .recent_logout import RecentLogout, notified_by_now, recent_logout, remember_logout
from .report import EndedRp, ended_rps, shown_name

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SCRIPT_SCHEMES = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"})


class Problem(StrEnum):
    """What is wrong with a request that is carried on nevertheless, without a redirect (OIDCRIL-4)."""

    INVALID_HINT = "invalid_id_token_hint"
    CLIENT_MISMATCH = "client_id_mismatch"
    STALE_HINT = "stale_id_token_hint"
    """The hint's session is neither current nor recent at that RP, so the request is suspect (OIDCRIL-2)."""
    REDIRECT_NOT_REGISTERED = "post_logout_redirect_uri_not_registered"
    REDIRECT_NOT_CONFIRMED = "post_logout_redirect_uri_needs_id_token_hint"


@dataclass(frozen=True, slots=True)
class EndSessionParts:
    """What the use case works with.

    `issuer` is this OP's `iss`, exactly as in its ID Tokens. `lease_s` is the lease of notices that the caller delivers itself, right
    after the commit; 0 when it leaves them to a worker.
    """

    issuer: str
    keys: HintKeys
    clients: ClientRegistry
    settings: SessionManagementSettings
    lease_s: int = 0


@dataclass(frozen=True, slots=True)
class AskToConfirm:
    """The user is asked, on a page that cannot be framed, by a POST that carries `confirmation`.

    `client_id` and `client_name` name the client that asks, None if there is none or nothing proves which; `client_name` is the
    client's own text. `problem` may be shown to the user, None if there is none.
    """

    confirmation: str
    client_id: str | None
    client_name: str | None
    problem: Problem | None
    ui_locales: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """No user is signed in here any more; `ended` is the session that this unit of work ends, None when there was none.

    `notices` are those that are recorded with the end, for RPs with a back channel: the caller's to deliver after the commit.
    `rps` are the RPs to speak of on the page, which loads their front channels: those of `ended`, or, for a browser that may not
    have seen the page of a moment ago, those of the session that ended then; `told` is what became of these one's notices.
    `redirect_to` is where the browser goes once the RPs are told: the registered URI with the request's `state`; None for a
    page of our own. `client_name` is what to call the client that asked.
    """

    ended: OpSession | None
    notices: tuple[LogoutNotice, ...]
    redirect_to: str | None
    client_id: str | None
    problem: Problem | None
    ui_locales: tuple[str, ...]
    client_name: str | None = None
    rps: tuple[EndedRp, ...] = ()
    told: Mapping[str, NotifyStatus] = field(default_factory=lambda: MappingProxyType({}))
    recent: RecentLogout | None = field(default=None, compare=False)
    """What `park_logout` keeps while RPs are still being notified; None when no session ended."""


@dataclass(frozen=True, slots=True)
class StayedSignedIn:
    """The user said no: nothing ended and nobody is told, the RP neither (its redirect is for a logout that took place)."""

    client_id: str | None
    client_name: str | None
    ui_locales: tuple[str, ...]


class _Standing(StrEnum):
    """Where the session that a hint speaks of stands, seen from this browser."""

    PRESENT = "present"
    ELSEWHERE = "elsewhere"
    RECENT = "recent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Findings:
    """What a request proves. `redirect_uri` is set only when it may be followed after the logout."""

    client_id: str | None = None
    redirect_uri: str | None = None
    problem: Problem | None = None
    must_ask: bool = True


def start_end_session(
    request: EndSessionRequest,
    op_session: OpSession | None,
    uow: UnitOfWork,
    parts: EndSessionParts,
    *,
    cookie_digest: str | None = None,
) -> AskToConfirm | LoggedOut:
    """Carry a logout request out, or ask the user first; `op_session` is the live session of this browser, None when there is none.

    The user is asked unless a valid hint speaks of this very session (OIDCRIL-2). Without a session there is nothing to ask or to
    end, and the outcome is the same as after a logout: `cookie_digest`, of the session cookie that the browser sent nevertheless,
    finds the RPs of a logout whose page it may not have seen.

    Raises: UnknownClient: `client_id` is not registered. An error page may still offer the logout (OIDCRIL-4): its button
        leads to the outcome of an empty `EndSessionRequest`.
    """
    if request.client_id is not None and parts.clients.get(request.client_id) is None:
        raise UnknownClient("the application is not registered here")
    found = _examine(request, op_session, uow, parts)
    if op_session is None:
        kept = recent_logout(uow, cookie_digest)
        rps = () if kept is None else kept.rps
        return _logged_out(found, request.state, request.ui_locales, parts, rps=rps, told=notified_by_now(uow, rps))
    if found.must_ask or parts.settings.ask == "always":
        pending = PendingLogout(found.client_id, found.redirect_uri, request.state, found.problem, request.ui_locales)
        confirmation = issue_confirmation(uow, op_session, pending, parts.settings.confirmation_lifetime_s)
        return AskToConfirm(confirmation, found.client_id, _name_of(found.client_id, parts), found.problem, request.ui_locales)
    return _end(uow, op_session, Reason.RP_INITIATED, found, request.state, request.ui_locales, parts)


def confirm_end_session(
    confirmation: str, answer: str, op_session: OpSession, uow: UnitOfWork, parts: EndSessionParts
) -> LoggedOut | StayedSignedIn:
    """Do what the user has answered to `AskToConfirm`: `logout` or `stay`. Either answer spends the confirmation.

    Registration is looked at again: what a client has taken back meanwhile is not redirected to.

    Raises:
        InvalidConfirmation: it is missing, spent, expired, or another browser's.
        InvalidRequest: the answer is neither.
    """
    if answer not in ("logout", "stay"):
        raise InvalidRequest("the answer is neither yes nor no")
    pending = take_confirmation(uow, confirmation, op_session)
    if answer == "stay":
        return StayedSignedIn(pending.client_id, _name_of(pending.client_id, parts), pending.ui_locales)
    reason = Reason.USER if pending.client_id is None else Reason.RP_INITIATED
    redirect_uri, problem = pending.post_logout_redirect_uri, None if pending.problem is None else Problem(pending.problem)
    if redirect_uri is not None and not _is_registered(redirect_uri, pending.client_id, parts):
        redirect_uri, problem = None, Problem.REDIRECT_NOT_REGISTERED
    found = _Findings(pending.client_id, redirect_uri, problem)
    return _end(uow, op_session, reason, found, pending.state, pending.ui_locales, parts, was_asked=True)


def resume_end_session(cookie_digest: str | None, uow: UnitOfWork, parts: EndSessionParts) -> LoggedOut | None:
    """Return the outcome of a logout that was confirmed in this browser a moment ago, None when there was none.

    For an answer that comes once more after it has ended the session: the button was pressed twice, or the first response was lost.
    """
    kept = recent_logout(uow, cookie_digest)
    return None if kept is None else outcome_of(kept, uow, parts)


def outcome_of(kept: RecentLogout, uow: UnitOfWork, parts: EndSessionParts) -> LoggedOut:
    """Return the outcome of a logout that took place, with what became of its notices by now; its redirect URI is checked again."""
    is_registered = kept.redirect_uri is not None and _is_registered(kept.redirect_uri, kept.client_id, parts)
    found = _Findings(kept.client_id, kept.redirect_uri if is_registered else None)
    return _logged_out(found, kept.state, kept.ui_locales, parts, rps=kept.rps, told=notified_by_now(uow, kept.rps))


def _examine(request: EndSessionRequest, op_session: OpSession | None, uow: UnitOfWork, parts: EndSessionParts) -> _Findings:
    if request.id_token_hint is None:
        return _examine_without_hint(request, op_session, parts)
    try:
        hint = verify_id_token_hint(request.id_token_hint, issuer=parts.issuer, client_id=request.client_id, keys=parts.keys, now=uow.now)
    except BadHint as bad:
        return _Findings(problem=Problem.CLIENT_MISMATCH if bad.problem is HintProblem.CLIENT_MISMATCH else Problem.INVALID_HINT)
    standing = _standing_of(hint, op_session, uow)
    if standing is _Standing.UNKNOWN:
        return _Findings(hint.client_id, problem=Problem.STALE_HINT)
    redirect_uri = request.post_logout_redirect_uri
    if redirect_uri is not None and not _is_registered(redirect_uri, hint.client_id, parts):
        return _Findings(hint.client_id, problem=Problem.REDIRECT_NOT_REGISTERED)
    return _Findings(hint.client_id, redirect_uri, must_ask=standing is not _Standing.PRESENT)


def _examine_without_hint(request: EndSessionRequest, op_session: OpSession | None, parts: EndSessionParts) -> _Findings:
    """Return what a request without a hint proves, which any site can send: nothing.

    The exception is a setting that allows the user's own "yes" to be enough.
    """
    redirect_uri = request.post_logout_redirect_uri
    if redirect_uri is None:
        return _Findings(request.client_id)
    if request.client_id is not None and not _is_registered(redirect_uri, request.client_id, parts):
        return _Findings(request.client_id, problem=Problem.REDIRECT_NOT_REGISTERED)
    if request.client_id is None or op_session is None or not parts.settings.redirect_without_hint:
        return _Findings(request.client_id, problem=Problem.REDIRECT_NOT_CONFIRMED)
    return _Findings(request.client_id, redirect_uri)


def _standing_of(hint: Hint, op_session: OpSession | None, uow: UnitOfWork) -> _Standing:
    """Return where the hint's session stands. It counts only as the session of the very client that the hint was issued to.

    A hint without `sid` (issued before sessions had one) is never taken for the present session: it could be any of the user's.
    """
    if hint.sid is None:
        rp = None if op_session is None else op_session.rp_session_of(hint.client_id)
        return _Standing.ELSEWHERE if rp is not None and rp.sub == hint.sub else _Standing.UNKNOWN
    rp = _rp_session_named(hint.sid, op_session)
    if rp is not None and rp.client_id == hint.client_id:
        return _Standing.PRESENT if rp.sub == hint.sub else _Standing.ELSEWHERE
    other_id = uow.store.op_session_id_of_sid(hint.sid)
    rp = None if other_id is None else _rp_session_named(hint.sid, uow.store.op_session(other_id))
    if rp is not None and rp.client_id == hint.client_id:
        return _Standing.ELSEWHERE
    ended = uow.ephemeral(ENDED_SID, hint.sid)
    if ended is not None and ended.payload["client_id"] == hint.client_id:
        return _Standing.RECENT
    return _Standing.UNKNOWN


def _rp_session_named(sid: str, op_session: OpSession | None) -> RpSession | None:
    return None if op_session is None else next((rp for rp in op_session.rp_sessions if rp.sid == sid), None)


def _is_registered(redirect_uri: str, client_id: str | None, parts: EndSessionParts) -> bool:
    """Return whether the URI is, character by character, one that the client registered (OIDCRIL-3: MUST NOT redirect otherwise).

    Registration refuses schemes that run script and fragments; a redirect looks once more, since it is what would do the harm.
    """
    metadata = None if client_id is None else parts.clients.get(client_id)
    registered = None if metadata is None else metadata.get("post_logout_redirect_uris")
    if not isinstance(registered, (list, tuple)) or redirect_uri not in registered:
        return False
    scheme = _SCHEME.match(redirect_uri)
    return "#" not in redirect_uri and scheme is not None and scheme[1].lower() not in _SCRIPT_SCHEMES


def _end(
    uow: UnitOfWork,
    op_session: OpSession,
    reason: Reason,
    found: _Findings,
    state: str | None,
    ui_locales: tuple[str, ...],
    parts: EndSessionParts,
    *,
    was_asked: bool = False,
) -> LoggedOut:
    """End the session, and keep what a browser could not get again: frames, and a redirect that only a spent confirmation knew of."""
    notices = tuple(end_op_session(uow, op_session, reason, parts.clients, parts.settings, on_page=True, due_in_s=parts.lease_s))
    rps = ended_rps(op_session, notices, parts.clients, parts.issuer, parts.settings.delivery)
    recent = RecentLogout(rps, found.client_id, found.redirect_uri, state, ui_locales)
    if any(rp.frame for rp in rps) or (was_asked and found.redirect_uri is not None):
        remember_logout(uow, op_session.cookie_digest, recent)
    return replace(_logged_out(found, state, ui_locales, parts, ended=op_session, notices=notices, rps=rps), recent=recent)


def _logged_out(
    found: _Findings,
    state: str | None,
    ui_locales: tuple[str, ...],
    parts: EndSessionParts,
    *,
    ended: OpSession | None = None,
    notices: tuple[LogoutNotice, ...] = (),
    rps: tuple[EndedRp, ...] = (),
    told: Mapping[str, NotifyStatus] = MappingProxyType({}),
) -> LoggedOut:
    redirect_to = found.redirect_uri
    if redirect_to is not None and state is not None:  # an empty state is a state
        redirect_to = with_parameters(redirect_to, state=state)
    client_name = None if found.client_id is None else shown_name(found.client_id, parts.clients)
    return LoggedOut(ended, notices, redirect_to, found.client_id, found.problem, ui_locales, client_name, rps, told)


def _name_of(client_id: str | None, parts: EndSessionParts) -> str | None:
    metadata: Mapping[str, Any] = (None if client_id is None else parts.clients.get(client_id)) or {}
    name = metadata.get("client_name")
    return name if isinstance(name, str) and name else None

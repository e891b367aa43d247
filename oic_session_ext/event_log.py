"""Events as log lines: one line each, its fields also at `record.oic_event` for those who log in JSON. No secret is among them."""

from __future__ import annotations

import logging

from .events import (
    BreakerClosed,
    BreakerOpened,
    Event,
    FrontchannelAsked,
    NoticeDeferred,
    NoticeDelivered,
    NoticeUndeliverable,
    RequestToHostRefused,
    SessionBegan,
    SessionEnded,
)
from .model import LogoutNotice
from .web.printable import printable

logger = logging.getLogger("oic_session_ext.events")

Fields = dict[str, str | int | float | list[str]]


def log_event(event: Event) -> None:
    """Write an event to the log `oic_session_ext.events`; give this function to `Hooks`.

    What needs an operator is a warning, everything else is information.
    """
    level, name, fields = _line_of(event)
    if logger.isEnabledFor(level):
        text = printable(" ".join(f"{key}={value}" for key, value in fields.items()))
        logger.log(level, "%s %s", name, text, extra={"oic_event": {"event": name, **fields}})


def _line_of(event: Event) -> tuple[int, str, Fields]:
    match event:
        case SessionBegan(session):
            return logging.INFO, "session.began", {"op_session_id": session.id, "acr": session.acr}
        case SessionEnded(session, reason, notices):
            fields: Fields = {"op_session_id": session.id, "reason": reason.value, "rps": len(session.rp_sessions), "notices": len(notices)}
            return logging.INFO, "logout.started", fields
        case FrontchannelAsked(session, client_ids):
            return logging.INFO, "frontchannel.asked", {"op_session_id": session.id, "clients": list(client_ids)}
        case NoticeDelivered(notice, latency_s):
            return logging.INFO, "notice.delivered", {**_fields_of(notice), "latency_s": round(latency_s, 3)}
        case NoticeDeferred(notice):
            return logging.INFO, "notice.put_off", {**_fields_of(notice), "problem": notice.problem, "due_at": notice.due_at}
        case NoticeUndeliverable(notice):
            return logging.WARNING, "notice.undeliverable", {**_fields_of(notice), "problem": notice.problem}
        case BreakerOpened(client_id, until):
            return logging.WARNING, "breaker.opened", {"client_id": client_id, "until": until}
        case BreakerClosed(client_id):
            return logging.INFO, "breaker.closed", {"client_id": client_id}
        case RequestToHostRefused(host, problem):
            return logging.INFO, "outbound.refused", {"host": host, "problem": problem}


def _fields_of(notice: LogoutNotice) -> Fields:
    return {
        "notice_id": notice.id,
        "client_id": notice.client_id,
        "channel": notice.channel.value,
        "reason": notice.reason.value,
        "attempts": notice.attempts,
    }

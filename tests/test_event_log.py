"""Events as log lines."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from oic_session_ext.event_log import log_event
from oic_session_ext.events import (
    BreakerClosed,
    BreakerOpened,
    Event,
    FrontchannelAsked,
    Hooks,
    NoticeDeferred,
    NoticeDelivered,
    NoticeUndeliverable,
    RequestToHostRefused,
    SessionBegan,
    SessionEnded,
)
from oic_session_ext.model import Reason
from oic_session_ext.testing.examples import example_notice, example_op_session

SESSION = example_op_session()
NOTICE = replace(example_notice(), problem="http_503", attempts=2)
EVENTS: list[tuple[Event, int, str]] = [
    (SessionBegan(SESSION), logging.INFO, "session.began"),
    (SessionEnded(SESSION, Reason.ADMIN, (NOTICE,)), logging.INFO, "logout.started"),
    (FrontchannelAsked(SESSION, ("rp-a",)), logging.INFO, "frontchannel.asked"),
    (NoticeDelivered(NOTICE, 0.25), logging.INFO, "notice.delivered"),
    (NoticeDeferred(NOTICE), logging.INFO, "notice.put_off"),
    (NoticeUndeliverable(NOTICE), logging.WARNING, "notice.undeliverable"),
    (BreakerOpened("rp-a", 1), logging.WARNING, "breaker.opened"),
    (BreakerClosed("rp-a"), logging.INFO, "breaker.closed"),
    (RequestToHostRefused("rp.example.com", "busy"), logging.INFO, "outbound.refused"),
]


@pytest.mark.parametrize(("event", "level", "name"), EVENTS, ids=[name for _, _, name in EVENTS])
def test_each_event_is_one_line_with_its_fields(caplog: pytest.LogCaptureFixture, event: Event, level: int, name: str) -> None:
    with caplog.at_level(logging.INFO, "oic_session_ext.events"):
        log_event(event)

    (record,) = caplog.records
    assert (record.levelno, vars(record)["oic_event"]["event"]) == (level, name)
    assert record.getMessage().startswith(f"{name} ")


@pytest.mark.parametrize(("event", "level", "name"), EVENTS, ids=[name for _, _, name in EVENTS])
def test_no_line_holds_a_secret_of_the_session(caplog: pytest.LogCaptureFixture, event: Event, level: int, name: str) -> None:
    with caplog.at_level(logging.INFO, "oic_session_ext.events"):
        log_event(event)

    for secret in (SESSION.cookie_digest, SESSION.sid_seed, SESSION.op_browser_state, NOTICE.sid):
        assert secret not in f"{caplog.text} {vars(caplog.records[0])['oic_event']}"


def test_a_notice_says_who_was_to_be_told_why_and_what_the_last_attempt_met(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "oic_session_ext.events"):
        log_event(NoticeUndeliverable(NOTICE))

    fields = vars(caplog.records[0])["oic_event"]
    assert (fields["client_id"], fields["reason"], fields["attempts"], fields["problem"]) == (
        NOTICE.client_id,
        NOTICE.reason.value,
        2,
        "http_503",
    )


def test_a_listener_that_fails_keeps_nobody_else_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def broken(_: Event) -> None:
        raise ValueError("no")

    Hooks(broken, heard.append).emit(BreakerClosed("rp-a"))

    assert heard == [BreakerClosed("rp-a")]
    assert "a listener failed on BreakerClosed" in caplog.text

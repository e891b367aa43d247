"""What Prometheus is told."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from oic_session_ext.errors import ConfigError, StoreUnavailable
from oic_session_ext.events import (
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
from oic_session_ext.model import Channel, NoticeState, Reason
from oic_session_ext.server.config.operations import LoggingSettings
from oic_session_ext.server.operations import metrics
from oic_session_ext.server.operations.logs import configure_logging
from oic_session_ext.store.changes import EndOpSession, PutOpSession
from oic_session_ext.testing.examples import example_notice, example_op_session
from tests.bundled_op import Op
from tests.wsgi_browser import Answer

TOKEN = "a-token-that-prometheus-shows-1234"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SESSION = example_op_session()
NOTICE = example_notice()


@pytest.fixture
def metrics_op(make_op: Callable[..., Op], tmp_path: Path) -> Op:
    (tmp_path / "metrics-token").write_text(TOKEN)
    (tmp_path / "metrics-token").chmod(0o600)
    return make_op(metrics={"access_token": {"file": str(tmp_path / "metrics-token")}})


def read(op: Op, headers: dict[str, str] = BEARER) -> Answer:
    return op.browser().get("/metrics", headers)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": f"Basic {TOKEN}"}])
def test_without_its_access_token_nobody_reads_the_metrics(metrics_op: Op, headers: dict[str, str]) -> None:
    answer = read(metrics_op, headers)

    assert (answer.status, answer.json["error"]) == (401, "invalid_token")
    assert (answer.header("WWW-Authenticate") or "").startswith("Bearer ")


def test_without_the_section_there_are_no_metrics(op: Op) -> None:
    assert read(op).status == 404


def test_a_login_and_a_logout_are_counted(metrics_op: Op) -> None:
    browser = metrics_op.browser()
    tokens = browser.sign_in()
    browser.end_session(id_token_hint=tokens["id_token"])

    text = read(metrics_op).text
    assert "oic_sessions_began_total 1.0" in text
    assert 'oic_sessions_ended_total{reason="rp_initiated"} 1.0' in text
    assert "oic_store_up 1.0" in text


def test_notices_are_shown_by_state_with_the_age_of_the_oldest(metrics_op: Op) -> None:
    now = metrics_op.clock()
    pending = replace(NOTICE, ended_at=now - 90, due_at=now + 5)
    given_up = replace(NOTICE, id="other", state=NoticeState.UNDELIVERABLE)
    metrics_op.server.store.commit([PutOpSession(SESSION), EndOpSession(SESSION, [pending, given_up])])

    text = read(metrics_op).text
    assert 'oic_notices{state="pending"} 1.0' in text
    assert 'oic_notices{state="undeliverable"} 1.0' in text
    assert "oic_notices_pending_oldest_seconds 90.0" in text


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (SessionBegan(SESSION), "oic_sessions_began_total 1.0"),
        (SessionEnded(SESSION, Reason.IDLE, ()), 'oic_sessions_ended_total{reason="idle"} 1.0'),
        (FrontchannelAsked(SESSION, ("rp-a",)), 'oic_frontchannel_asked_total{client_id="rp-a"} 1.0'),
        (NoticeDelivered(NOTICE, 0.03), 'oic_notice_latency_seconds_bucket{le="0.05"} 1.0'),
        (NoticeDelivered(NOTICE, 0.03), f'oic_notices_delivered_total{{client_id="{NOTICE.client_id}"}} 1.0'),
        (NoticeDeferred(replace(NOTICE, problem="timeout")), f'{{client_id="{NOTICE.client_id}",problem="timeout"}} 1.0'),
        (NoticeUndeliverable(replace(NOTICE, problem="http_400")), f'{{client_id="{NOTICE.client_id}",problem="http_400"}} 1.0'),
        (BreakerOpened("rp-a", 5), 'oic_breaker_open{client_id="rp-a"} 1.0'),
        (RequestToHostRefused("rp.example.com", "busy"), 'oic_outbound_refused_total{problem="busy"} 1.0'),
    ],
)
def test_each_event_is_counted(metrics_op: Op, event: Event, line: str) -> None:
    metrics_op.server.op.session_management.hooks.emit(event)

    assert line in read(metrics_op).text


def test_a_breaker_that_closes_is_no_longer_open(metrics_op: Op) -> None:
    metrics_op.server.op.session_management.hooks.emit(BreakerOpened("rp-a", 5))
    metrics_op.server.op.session_management.hooks.emit(BreakerClosed("rp-a"))

    assert 'oic_breaker_open{client_id="rp-a"} 0.0' in read(metrics_op).text


@pytest.mark.spec("SEC-12")
def test_clients_without_end_are_counted_together(metrics_op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_MOST_CLIENTS", 2)

    for number in range(5):
        metrics_op.server.op.session_management.hooks.emit(FrontchannelAsked(SESSION, (f"client{number}",)))

    counted = [line for line in read(metrics_op).text.splitlines() if line.startswith("oic_frontchannel_asked_total")]
    assert counted == [
        'oic_frontchannel_asked_total{client_id="client0"} 1.0',
        'oic_frontchannel_asked_total{client_id="client1"} 1.0',
        'oic_frontchannel_asked_total{client_id="others"} 3.0',
    ]


def test_front_channels_that_nobody_could_load_count_as_given_up(metrics_op: Op) -> None:
    lost = replace(NOTICE, channel=Channel.FRONTCHANNEL, state=NoticeState.UNDELIVERABLE, problem="needs_browser")
    metrics_op.server.op.session_management.hooks.emit(SessionEnded(SESSION, Reason.EXPIRED, (lost,)))

    assert f'oic_notices_given_up_total{{client_id="{NOTICE.client_id}",problem="needs_browser"}} 1.0' in read(metrics_op).text


def test_a_store_that_is_away_is_shown_as_down(metrics_op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(metrics_op.server.store, "notice_counts", away)

    answer = read(metrics_op)
    assert (answer.status, "oic_store_up 0.0" in answer.text) == (200, True)


def test_a_function_that_the_settings_name_hears_of_events(make_op: Callable[..., Op], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    module = ModuleType("deployers_hooks")
    vars(module)["listen"] = heard.append
    monkeypatch.setitem(sys.modules, "deployers_hooks", module)

    make_op(hooks=["deployers_hooks:listen"]).browser().sign_in()

    assert [type(event) for event in heard] == [SessionBegan]


@pytest.mark.parametrize("name", ["no_such_module_at_all:listen", "json:no_such_function", "json:__doc__"])
def test_a_hook_that_cannot_be_loaded_keeps_the_server_from_starting(make_op: Callable[..., Op], name: str) -> None:
    with pytest.raises(ConfigError, match=r"hooks\[0\]"):
        make_op(hooks=[name])


def test_an_event_is_json_with_its_fields_where_the_log_is_json(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level = root.level
    configure_logging(LoggingSettings(format="json"))
    try:
        from oic_session_ext.event_log import log_event

        log_event(NoticeDelivered(NOTICE, 0.5))
    finally:
        root.setLevel(level)

    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (line["event"], line["client_id"], line["latency_s"]) == ("notice.delivered", NOTICE.client_id, 0.5)

"""Log injection: whatever a value holds, a line stays one line, without colours, and as JSON it stays one object."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from oic_session_ext.event_log import log_event
from oic_session_ext.events import BreakerOpened, FrontchannelAsked, NoticeUndeliverable, SessionBegan
from oic_session_ext.server.config.operations import LoggingSettings
from oic_session_ext.server.operations.logs import configure_logging
from oic_session_ext.testing.examples import example_notice, example_op_session
from tests.bundled_op import Op, basic

from .corpus import each_of

QUIET = ("oic", "jwkest", "cherrypy.error", "cherrypy.access", "alembic")


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """The process's logging is as it was, afterwards."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in ("", *QUIET)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)


def write(text: str) -> int:
    """Log a text in every place that a value has; the number of lines that it makes."""
    session = replace(example_op_session(), acr=text)
    for event in (
        SessionBegan(session),
        BreakerOpened(text, 1),
        FrontchannelAsked(session, (text, "rp")),
        NoticeUndeliverable(replace(example_notice(), problem=text, client_id=text)),
    ):
        log_event(event)
    logger = logging.getLogger("oic_session_ext")
    logger.warning("refused: %s (%s) %s", text, "x", text)
    logger.warning(text.replace("%", "%%"))
    return 6


@each_of("log_lines", "text")
def test_for_people_a_value_makes_no_line_of_its_own(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(format="console", level="debug"))

    count = write(text)

    lines = capsys.readouterr().err.split("\n")[:-1]
    assert len(lines) == count
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("20") for line in lines)


@each_of("log_lines", "text")
def test_for_machines_a_line_is_an_object_that_has_the_value_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(format="json", level="debug"))

    count = write(text)

    lines = [json.loads(line) for line in capsys.readouterr().err.split("\n")[:-1]]
    assert len(lines) == count
    assert lines[1]["client_id"] == text
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert all("forged" not in key for line in lines for key in line)


@each_of("log_lines", "text")
def test_a_traceback_is_indented_so_that_none_of_its_lines_looks_like_another_record(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(format="console"))
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("oic_session_ext").exception("unexpected")

    first, *others = capsys.readouterr().err.split("\n")[:-1]
    assert first.isprintable()
    assert others
    assert all(line.isprintable() and line.startswith("    ") for line in others)


@each_of("log_lines", "text")
def test_an_event_is_one_line_in_whatever_log_it_goes_to(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "oic_session_ext.events"):
        log_event(BreakerOpened(text, 1))

    assert caplog.records[0].getMessage().isprintable()


def test_what_is_sent_to_the_endpoints_makes_no_line_of_its_own(op: Op, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(format="console", level="debug"))
    texts = ["x\n2026-01-01T00:00:00Z [error] forged", "x\x1b[31mforged", "x\u2028forged", "x\x9bforged", "x\u202eforged", "%0d%0aforged"]
    browser, sent = op.browser(), 0
    for text in texts:
        hostile = quote(text)
        for path in (
            "/authorization?client_id=",
            "/login?client_id=",
            "/end_session?client_id=",
            "/end_session?id_token_hint=",
            "/?client_id=",
        ):
            browser.get(path + hostile)
            browser.get(f"{path}x&{hostile}=1&{hostile}=2")
            sent += 2
        as_header = text.encode().decode("latin-1").replace("\n", "\x85")
        for header in ("Cookie", "Origin", "User-Agent", "Authorization", "X-Forwarded-For", "Host", "Referer", "Accept-Language"):
            browser.get("/authorization?client_id=x", {header: as_header})
        browser.as_client("web", "/token", {"grant_type": text, "code": text, "client_id": text})
        browser.send(
            "POST", "/token", b"grant_type=x", {"Authorization": basic(text, text), "Content-Type": "application/x-www-form-urlencoded"}
        )
        body = json.dumps({"redirect_uris": [text], text: text, "jwks": {text: text}}).encode()
        browser.send("POST", "/registration", body, {"Content-Type": "application/json"})

    lines = capsys.readouterr().err.split("\n")[:-1]
    assert len(lines) > sent / 2
    assert all(line.isprintable() and line.startswith(("20", "    ")) for line in lines)

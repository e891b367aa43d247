"""The example RP's `/session/status`: what a page is told, and what the OP is asked for it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.examples.fake_op import FakeOp
from tests.examples.rp_browser import Browser, found
from tests.examples.rp_process import serving_rp


@pytest.fixture(scope="module")
def rp(serving_op: FakeOp) -> Iterator[str]:
    """An RP that asks the OP; its base URL."""
    with serving_rp(serving_op.issuer, "--channel", "session-management", "status") as base_url:
        yield base_url


@pytest.fixture
def browser(rp: str, op: FakeOp) -> Browser:
    """A browser in which alice is signed in."""
    browser = Browser(rp)
    op.claims = {"sid": f"sid-{secrets.token_hex(8)}"}  # the RP serves the whole module
    browser.sign_in()
    return browser


def status_url(browser: Browser) -> str:
    """Where the present page asks."""
    return found(r'data-status-url="([^"]+)"', browser.visit("/").text)


def told(browser: Browser) -> Any:
    """What the present page is told."""
    return browser.visit(status_url(browser)).json()


def test_the_op_is_asked_by_sid_and_as_the_client(browser: Browser, op: FakeOp) -> None:
    assert told(browser) == {"status": "live"}

    credentials = base64.b64encode(b"client+a:s3cret%2B%25").decode()
    assert op.status_requests == [{"authorization": f"Basic {credentials}", "sid": op.claims["sid"]}]


def test_the_op_is_not_asked_for_every_question(browser: Browser, op: FakeOp) -> None:
    assert [told(browser), told(browser)] == [{"status": "live"}] * 2
    assert len(op.status_requests) == 1


@pytest.mark.parametrize("answer", [{"status": "ended", "reason": "admin"}, {"status": "unknown"}], ids=["ended", "unknown to the OP"])
def test_a_session_that_the_op_has_not_any_more_ends_here(browser: Browser, op: FakeOp, answer: dict[str, str]) -> None:
    op.session_status = (200, answer)

    assert told(browser) == {"status": "ended", "reason": "status"}
    assert "says, when asked, that your session has ended" in browser.visit("/").text


@pytest.mark.parametrize("status", [404, 401], ids=["switched off", "not for this client"])
def test_an_op_that_does_not_tell_leaves_the_session(browser: Browser, op: FakeOp, status: int) -> None:
    op.session_status = (status, {"error": "whatever"})

    assert told(browser) == {"status": "unknown"}
    assert browser.is_signed_in()


@pytest.mark.parametrize(
    "answer", [(503, {}), (200, ["ended"]), (200, {"status": "gone"}), (302, {"status": "ended"}), (500, {"status": "ended"})]
)
def test_no_usable_answer_of_the_op_leaves_the_session(browser: Browser, op: FakeOp, answer: tuple[int, Any]) -> None:
    op.session_status = answer

    response = browser.visit(status_url(browser))

    assert response.status_code == 503
    assert response.json() == {"error": "temporarily_unavailable"}
    assert browser.is_signed_in()


def test_an_op_that_sends_no_sid_cannot_be_asked(browser: Browser, op: FakeOp) -> None:
    op.claims = {"sid": None}
    browser.sign_in()

    assert told(browser) == {"status": "unknown"}
    assert op.status_requests == []


def test_the_page_of_an_earlier_sign_in_is_told_that_it_is_over(browser: Browser, op: FakeOp) -> None:
    old = status_url(browser)
    op.claims = {"sid": "sid-2"}
    browser.sign_in()

    assert browser.visit(old).json() == {"status": "ended", "reason": "here"}
    assert browser.is_signed_in()


def test_somebody_without_the_cookie_learns_nothing_and_asks_the_op_nothing(browser: Browser, op: FakeOp) -> None:
    answer = requests.get(browser.base_url + status_url(browser), timeout=20)

    assert answer.json() == {"status": "ended", "reason": "here"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert op.status_requests == []

"""A logout is never reported as done while its session lives, and no session ends by a request that is no visit."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.provider.conftest import Answer, Browser, Op

OUT = "https://basic.example.com/out"


def log_out(browser: Browser, id_token: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    text = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": OUT})
    return browser.end_session_raw(text, method, headers)


@pytest.fixture
def id_token(browser: Browser) -> str:
    return str(browser.sign_in()["id_token"])


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("HEAD", {}, 405, id="HEAD"),
        pytest.param("GET", {"Sec-Purpose": "prefetch"}, 403, id="prefetch"),
        pytest.param("GET", {"Sec-Purpose": "prefetch;prerender"}, 403, id="prerender"),
        pytest.param("GET", {"Purpose": "prefetch"}, 403, id="prefetch of older browsers"),
        pytest.param("GET", {"X-Moz": "prefetch"}, 403, id="prefetch of Firefox"),
        pytest.param("GET", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"}, 403, id="an image"),
        pytest.param("GET", {"Sec-Fetch-Dest": "script"}, 403, id="a script"),
        pytest.param("GET", {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}, 403, id="fetch()"),
        pytest.param("GET", {"Sec-Fetch-Dest": "object", "Sec-Fetch-Mode": "navigate"}, 403, id="an object"),
        pytest.param("POST", {"Sec-Fetch-Mode": "no-cors"}, 403, id="a beacon"),
    ],
)
def test_a_request_that_is_no_visit_ends_no_session(
    op: Op, browser: Browser, id_token: str, method: str, headers: dict[str, str], status: int
) -> None:
    answer = log_out(browser, id_token, method, headers)

    assert answer.status == status
    assert answer.location == ""
    assert browser.is_signed_in()


@pytest.mark.parametrize("dest", ["document", "iframe", "frame"])
def test_a_navigation_logs_out(browser: Browser, id_token: str, dest: str) -> None:
    answer = log_out(browser, id_token, headers={"Sec-Fetch-Dest": dest, "Sec-Fetch-Mode": "navigate"})

    assert answer.location == OUT
    assert not browser.is_signed_in()


def test_a_large_cookie_header_of_sibling_hosts_hides_no_session(op: Op, browser: Browser, id_token: str) -> None:
    browser.jar["tracking"] = "x" * 20_000

    assert log_out(browser, id_token).location == OUT
    assert op.store.op_sessions_of_user("alice") == []


def test_a_cookie_header_that_is_too_long_is_an_error_and_keeps_the_cookie(op: Op, browser: Browser, id_token: str) -> None:
    browser.jar["tracking"] = "x" * 70_000

    answer = log_out(browser, id_token)

    assert (answer.status, answer.location, answer.cookies) == (431, "", {})
    assert len(op.store.op_sessions_of_user("alice")) == 1


def test_a_cookie_header_that_is_too_long_is_an_error_at_sign_in_too(browser: Browser) -> None:
    browser.jar["tracking"] = "x" * 70_000

    assert browser.authorize(login="alice").status == 431


@pytest.mark.parametrize("planted", ["x" * 43, "", "not ours!"], ids=["of no session", "empty", "malformed"])
def test_a_second_session_cookie_does_not_hide_the_session(op: Op, browser: Browser, id_token: str, planted: str) -> None:
    own = browser.jar["__Host-op_session"]
    browser.jar["__Host-op_session"] = f"{planted}; __Host-op_session={own}"

    assert log_out(browser, id_token).location == OUT
    assert op.store.op_sessions_of_user("alice") == []


def test_a_logout_ends_every_live_session_whose_cookie_the_browser_sends(op: Op, browser: Browser, id_token: str) -> None:
    other = op.browser()
    other.sign_in(login="bob")
    browser.jar["__Host-op_session"] += f"; __Host-op_session={other.jar['__Host-op_session']}"

    op.clock.advance(1)
    browser.confirm(log_out(browser, "no hint"))

    assert op.store.op_sessions_of_user("alice") == op.store.op_sessions_of_user("bob") == []

"""CORS: a single-page application calls from its registered origin, nobody from elsewhere, and no cookie is ever involved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bundled_op import Op, OpBrowser
from tests.wsgi_browser import Answer

SPA = "https://spa.example.com"
ENDPOINTS = {"/.well-known/openid-configuration": "GET", "/jwks.json": "GET", "/token": "POST", "/revocation": "POST", "/userinfo": "GET"}
STRANGERS = [
    "https://evil.example.com",
    "null",
    "",
    "http://spa.example.com",
    "https://spa.example.com:8443",
    "https://spa.example.com.evil.example.com",
    "https://spa.example.com/",
    "https://SPA.example.com",
    "https://sub.spa.example.com",
    "*",
    "https://spa.example.com, https://evil.example.com",
    "x" * 5000,
]


def ask(browser: OpBrowser, path: str, origin: str, method: str) -> Answer:
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    return browser.send("OPTIONS", path, headers=headers)


@pytest.mark.parametrize(("path", "method"), ENDPOINTS.items())
def test_the_origin_of_a_redirect_uri_is_let_in(browser: OpBrowser, path: str, method: str) -> None:
    preflight = ask(browser, path, SPA, method)
    answer = browser.send(method, path, headers={"Origin": SPA})

    assert preflight.status == 204
    assert method in (preflight.header("Access-Control-Allow-Methods") or "")
    assert "Authorization" in (preflight.header("Access-Control-Allow-Headers") or "")
    for one in (preflight, answer):
        assert one.header("Access-Control-Allow-Origin") == SPA
        assert one.header("Vary") == "Origin"


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize(("path", "method"), ENDPOINTS.items())
def test_no_other_origin_is_let_in(browser: OpBrowser, path: str, method: str, origin: str) -> None:
    preflight = ask(browser, path, origin, method)
    answer = browser.send(method, path, headers={"Origin": origin})

    assert preflight.status == 403
    for one in (preflight, answer):
        assert not [name for name, _ in one.headers if name.lower().startswith("access-control-")]
        assert one.header("Vary") == "Origin"


@pytest.mark.parametrize("path", ENDPOINTS)
def test_credentials_are_never_allowed(browser: OpBrowser, path: str) -> None:
    for answer in (ask(browser, path, SPA, "GET"), browser.get(path, {"Origin": SPA})):
        assert answer.header("Access-Control-Allow-Credentials") is None


def test_a_script_can_read_why_its_token_was_refused(browser: OpBrowser) -> None:
    answer = browser.get("/userinfo", {"Origin": SPA})

    assert answer.status == 401
    assert answer.header("Access-Control-Allow-Origin") == SPA
    assert answer.header("Access-Control-Expose-Headers") == "WWW-Authenticate"
    assert answer.header("WWW-Authenticate")


@pytest.mark.spec("RI-02", "WR-08")
@pytest.mark.parametrize("path", ["/authorization", "/end_session", "/login", "/consent", "/", "/check_session", "/health/live"])
def test_pages_for_people_are_not_for_scripts_of_other_origins(browser: OpBrowser, path: str) -> None:
    assert ask(browser, path, SPA, "GET").status == 405
    assert browser.get(path, {"Origin": SPA}).header("Access-Control-Allow-Origin") is None


def test_the_origin_of_a_client_that_registered_itself_is_let_in(make_op: Callable[..., Op]) -> None:
    browser = make_op(registration={"mode": "open"}).browser()
    before = ask(browser, "/token", "https://new.example.com", "POST").status
    browser.send("POST", "/registration", b'{"redirect_uris": ["https://new.example.com/cb"]}', {"Content-Type": "application/json"})

    assert before == 403
    assert ask(browser, "/token", "https://new.example.com", "POST").status == 204

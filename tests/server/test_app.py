"""The server as one WSGI application: its paths and methods, what every page carries, and what a fault looks like from outside."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import ConfigError, StoreUnavailable
from oic_session_ext.server.login.front_page import FrontPage
from oic_session_ext.store.memory.engine import MemoryStore
from tests.bundled_op import CLIENTS, Op, OpBrowser, make_settings, request_of
from tests.wsgi_browser import Browser

PAGES = ["/", "/login", "/consent", "/authorization", "/end_session"]
GET_ONLY = ["/", "/.well-known/openid-configuration", "/jwks.json", "/check_session", "/health/live", "/health/ready"]
ENDPOINTS = [*PAGES, *GET_ONLY, "/token", "/userinfo"]
FOR_SCRIPTS = ["/.well-known/openid-configuration", "/jwks.json", "/token", "/userinfo"]
PAGE_HEADERS = ("Content-Security-Policy", "X-Frame-Options", "Cache-Control", "Referrer-Policy", "X-Content-Type-Options")


# -- paths and methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/login/",
        "/login/x",
        "/authorization/",
        "/end_session/x",
        "//evil.example.com",
        "//evil.example.com/%2e%2e",
        "/\\evil.example.com",
        "/%2f%2fevil.example.com",
        "/%ff",
        "/%00",
        "/%0d%0aSet-Cookie:x=y",
        "/favicon.ico",
        "/error_page",
        "/_login",
        "/LOGIN",
        "/session_assets/../../etc/passwd",
        "/session_assets/%2e%2e/secrets",
        "/session_assets/",
        "/" + "a" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_a_404_or_405_and_leads_nowhere(shared: OpBrowser, path: str, method: str) -> None:
    answer = shared.send(method, path)

    assert answer.status in (404, 405)
    assert not answer.location
    assert answer.error in ("not_found", "invalid_request")
    assert not answer.cookies


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "PROPFIND", "FOO"])
def test_a_method_that_an_endpoint_does_not_have_is_a_405_that_names_those_it_has(shared: OpBrowser, path: str, method: str) -> None:
    answer = shared.send(method, path)

    if method == "OPTIONS" and path in FOR_SCRIPTS:
        assert answer.status == 403  # a preflight of no origin
    else:
        assert answer.status == 405
        assert ("POST" if path == "/token" else "GET") in (answer.header("Allow") or "")


@pytest.mark.parametrize("path", GET_ONLY)
def test_what_can_only_be_read_cannot_be_posted_to(shared: OpBrowser, path: str) -> None:
    assert shared.post(path, {}).status == 405


def test_tokens_cannot_be_fetched_by_get(shared: OpBrowser) -> None:
    assert shared.get("/token").status == 405


@pytest.mark.parametrize("path", [*ENDPOINTS, "/nothing", "/login/", "/authorization?client_id=web"])
def test_head_is_get_without_the_body(shared: OpBrowser, path: str) -> None:
    head, get = shared.send("HEAD", path), shared.get(path)

    assert (head.status, head.body) == (get.status, b"")
    assert head.header("Content-Type") == get.header("Content-Type")


@pytest.mark.spec("MD-01")
def test_every_endpoint_that_discovery_names_answers(shared: OpBrowser) -> None:
    document = shared.get("/.well-known/openid-configuration").json
    urls = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri", "_iframe")) and isinstance(value, str)]

    assert len(urls) >= 6
    for url in urls:
        assert url.startswith("http://localhost:8080/")
        assert shared.get(url.removeprefix("http://localhost:8080")).status != 404


def test_an_issuer_with_a_path_has_everything_below_it_and_nothing_beside_it(make_op: Callable[..., Op]) -> None:
    browser = make_op(issuer="http://localhost:8080/a/op").browser()
    document = browser.get("/a/op/.well-known/openid-configuration").json

    for name in ("authorization_endpoint", "jwks_uri", "end_session_endpoint", "check_session_iframe"):
        assert document[name].startswith("http://localhost:8080/a/op/")
        assert browser.get(document[name].removeprefix("http://localhost:8080")).status != 404
    for path in ("/", "/a", "/a/", "/login", "/authorization", "/a/opx", "/.well-known/openid-configuration"):
        answer = browser.get(path)
        assert (answer.status, answer.error) == (404, "not_found")
    assert browser.sign_in()["id_token"]


# -- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-01", "RI-51")
@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_every_page_has_the_security_headers_errors_too(shared: OpBrowser, path: str) -> None:
    answer = shared.get(path)

    assert answer.is_page()
    assert all(answer.header(name) for name in PAGE_HEADERS)
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("path", [*ENDPOINTS, "/nothing"])
def test_no_answer_tells_what_the_server_is_made_of(shared: OpBrowser, path: str) -> None:
    answer = shared.get(path)

    assert answer.header("Server") is None
    assert not re.search("cherrypy|cheroot|python|pyoidc|beaker", f"{answer.headers} {answer.text}", re.IGNORECASE)


@pytest.mark.spec("SM-16")
def test_the_cookies_of_an_https_issuer_reach_an_iframe_and_no_other_host(make_op: Callable[..., Op]) -> None:
    browser = make_op(issuer="https://localhost").browser()
    page = browser.login_page()
    answer = browser.enter(page)

    assert page.cookies.keys() == {"__Host-op_login"}
    for name in ("__Host-op_session", "__Host-op_browser_state"):
        parts = answer.cookies[name].split("; ")
        assert {"Path=/", "Secure", "SameSite=None"} <= set(parts)
        assert not [part for part in parts if part.startswith("Domain")]
        assert ("HttpOnly" in parts) is (name == "__Host-op_session")


# -- faults -----------------------------------------------------------------------------------------------------------


def test_a_request_without_a_host_gets_a_page_and_no_traceback(shared: OpBrowser) -> None:
    for path in PAGES:
        answer = shared.send("GET", path, HTTP_HOST=None)
        assert answer.status < 500
        assert "Traceback" not in answer.text
        assert answer.is_page()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(FrontPage, "answer", fail)
    monkeypatch.setattr("oic_session_ext.server.op.BundledProvider.authorization_endpoint", fail)
    monkeypatch.setattr("oic_session_ext.server.op.BundledProvider.token_endpoint", fail)


@pytest.mark.parametrize("path", ["/", "/authorization", "/token"])
def test_a_bug_is_a_500_that_tells_nothing_and_a_log_that_tells_all_but_secrets(
    failing: None, make_op: Callable[..., Op], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    browser = make_op().browser()
    browser.jar["op_session"] = "cookie-of-somebody"
    method = "POST" if path == "/token" else "GET"

    with caplog.at_level(logging.INFO):
        answer = browser.send(method, path, b"", {"Authorization": "Basic c2VjcmV0", "Content-Type": "application/x-www-form-urlencoded"})

    assert (answer.status, answer.error) == (500, "server_error")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "RuntimeError" in caplog.text
    assert "cookie-of-somebody" not in caplog.text
    assert "c2VjcmV0" not in caplog.text


def test_a_sign_in_that_cannot_be_kept_is_a_503_and_its_page_needs_no_store(
    op: Op, browser: OpBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(MemoryStore, "commit", fail)
    page = browser.get("/login")

    assert page.status == 200
    assert browser.enter(page).status == 503


def test_a_fault_outside_of_every_handler_is_a_page_too(browser: OpBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("oic_session_ext.server.login.web_session.SignedIdSession.load", fail)
    browser.get("/login")

    answer = browser.get("/login")

    assert (answer.status, answer.error) == (500, "server_error")
    assert "secret" not in answer.text


@pytest.mark.spec("RI-52")
def test_no_log_holds_a_password_a_cookie_a_code_or_a_token(op: Op, browser: OpBrowser, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "oic_session_ext"), caplog.at_level(logging.DEBUG, "cherrypy"):
        browser.submit(browser.login_page(), username="alice", password="wrong horse")
        answer = browser.enter(browser.login_page())
        code = answer.query["code"]
        tokens = browser.redeem(code).json
        browser.redeem(code)
        browser.userinfo(tokens["access_token"] + "x")
        cookies = dict(browser.jar)
        browser.end_session(id_token_hint=tokens["id_token"] + "x")
        browser.end_session(id_token_hint=tokens["id_token"])

    for secret in ("wrong horse", "wonderland", code, tokens["access_token"], tokens["id_token"], *cookies.values()):
        assert secret not in caplog.text


# -- as WSGI ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("path", [*ENDPOINTS, "/nothing", "/session_assets/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_it_is_wsgi_to_the_letter(shared: OpBrowser, path: str, method: str) -> None:
    browser = Browser(validator(shared.application), shared.origin)

    browser.send(method, path, b"a=b" if method == "POST" else b"", {"Content-Type": "application/x-www-form-urlencoded"})


def test_two_servers_in_one_process_do_not_share_anything(make_op: Callable[..., Op]) -> None:
    one, other = make_op(), make_op(clients=CLIENTS[:1])
    browser = one.browser()
    browser.sign_in()
    stranger = other.browser()
    stranger.jar = dict(browser.jar)

    assert browser.is_signed_in()
    assert not stranger.is_signed_in()
    assert stranger.get("/authorization", **request_of("spa")).error == "unauthorized_client"


# -- what it is built from --------------------------------------------------------------------------------------------


def test_secrets_and_keys_are_made_beside_the_database_and_outlive_the_server(tmp_path: Path) -> None:
    settings = make_settings(store=f"sqlite:///{tmp_path / 'op.sqlite'}")
    op = Op.build(settings)
    browser = op.browser()
    browser.sign_in()
    op.server.store.close()

    again = Op.build(settings, op.clock)
    returning = again.browser()
    returning.jar = dict(browser.jar)

    assert {"secrets", "keys.json", "op.sqlite"} <= {entry.name for entry in tmp_path.iterdir()}
    assert returning.is_signed_in()
    again.server.store.close()


def test_secrets_may_come_from_the_environment(make_op: Callable[..., Op], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OP_TEST_SECRETS", SecretRing.generate_text())

    assert make_op(secrets={"env": "OP_TEST_SECRETS"}).browser().sign_in()


def test_a_file_of_secrets_that_is_no_good_stops_the_start(make_op: Callable[..., Op], tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text("short")
    path.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        make_op(secrets={"file": str(path)})

    assert str(path) in str(caught.value)


def test_a_trusted_proxy_says_who_guesses_passwords(make_op: Callable[..., Op]) -> None:
    op = make_op(
        listen={"proxy": {"trusted": ["10.0.0.1"]}},
        login={"cheap_passwords_for_benchmarks": True, "throttle": {"max_attempts": 1}},
    )

    def guess(peer: str, forwarded: str) -> int:
        browser = op.browser(peer)
        form = {"username": "alice", "password": "wrong"}
        return browser.submit(browser.login_page(), headers={"X-Forwarded-For": forwarded}, **form).status

    assert [guess("10.0.0.1", "203.0.113.1"), guess("10.0.0.1", "203.0.113.1")] == [403, 429]
    assert guess("10.0.0.1", "203.0.113.2") == 403
    assert [guess("203.0.113.9", "203.0.113.3"), guess("203.0.113.9", "203.0.113.4")] == [403, 429]


def test_without_session_management_nothing_of_it_is_there(make_op: Callable[..., Op]) -> None:
    browser = make_op(session_management={"enabled": False}).browser()
    answer: Any = browser.enter(browser.login_page())

    assert "session_state" not in answer.query
    assert browser.get("/check_session").status == 404
    assert "check_session_iframe" not in browser.get("/.well-known/openid-configuration").json


@pytest.fixture(scope="module")
def shared_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file))


@pytest.fixture
def shared(shared_op: Op) -> OpBrowser:
    """A new browser at one server for all tests that leave it as it is."""
    return shared_op.browser()

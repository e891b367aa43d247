"""The login pages' own web session: what it remembers, for how long, and that it never says who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.server.login.web_session import WebSession, web_session_middleware
from tests.bundled_op import Op, OpBrowser, make_settings
from tests.wsgi_browser import Browser

RING = SecretRing([b"s" * 32])
PROTOCOL_PATHS = [
    "/authorization",
    "/token",
    "/userinfo",
    "/end_session",
    "/check_session",
    "/jwks.json",
    "/.well-known/openid-configuration",
    "/health/live",
    "/health/ready",
    "/session_assets/x",
    "/registration",
]


class Pages:
    """Two requests of one browser, each with something to do."""

    def __init__(self, *, secrets: SecretRing = RING, is_https: bool = False) -> None:
        self.work: Callable[[WebSession], object] = lambda _: None
        self.result: Any = None
        application = web_session_middleware(self._answer, secrets=secrets, is_https=is_https)
        self.browser = Browser(application, "http://localhost:8080")
        self.answer: Any = None

    def do(self, work: Callable[[WebSession], object]) -> Any:
        self.work = work
        self.answer = self.browser.get("/")
        return self.result

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.result = self.work(WebSession(environ))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]


@pytest.fixture
def pages() -> Pages:
    return Pages()


def refused(web: WebSession, token: str) -> bool:
    return not web.is_csrf_token(token)


# -- what it remembers ------------------------------------------------------------------------------------------------


def test_the_token_is_the_same_for_one_browser_and_another_for_the_next(pages: Pages) -> None:
    token = pages.do(WebSession.csrf_token)

    assert pages.do(WebSession.csrf_token) == token
    assert Pages().do(WebSession.csrf_token) != token
    assert pages.do(lambda web: refused(web, token)) is False


@pytest.mark.parametrize("given", ["", "x", "ü", "\ud800"])
def test_no_other_token_is_good(pages: Pages, given: str) -> None:
    pages.do(WebSession.csrf_token)

    assert pages.do(lambda web: refused(web, given))


def test_no_token_is_good_where_none_was_given_out(pages: Pages) -> None:
    assert pages.do(lambda web: refused(web, ""))


# -- its cookie -------------------------------------------------------------------------------------------------------


def test_a_browser_that_needs_none_gets_no_cookie(pages: Pages) -> None:
    pages.do(lambda web: web.is_csrf_token("x"))

    assert not pages.answer.cookies


@pytest.mark.parametrize(
    ("is_https", "name", "secure"), [(True, "__Host-op_login", True), (False, "op_login", False)], ids=["https", "http on loopback"]
)
def test_the_cookie_is_kept_from_scripts_and_other_sites(is_https: bool, name: str, secure: bool) -> None:
    pages = Pages(is_https=is_https)
    pages.do(WebSession.csrf_token)

    parts = [part.strip().lower() for part in pages.answer.cookies[name].split(";")[1:]]
    assert {"httponly", "path=/", "samesite=lax"} <= set(parts)
    assert ("secure" in parts) is secure
    assert not [part for part in parts if part.startswith(("domain", "expires", "max-age"))]


@pytest.mark.parametrize("is_forged", [True, False], ids=["forged", "of another secret"])
def test_a_cookie_that_was_not_signed_here_is_nobodys(pages: Pages, is_forged: bool) -> None:
    token = pages.do(WebSession.csrf_token)
    other = pages if is_forged else Pages(secrets=SecretRing([b"x" * 32]))
    cookie = pages.browser.jar["op_login"]
    other.browser.jar = {"op_login": cookie[:-1] + ("0" if cookie[-1] != "0" else "1") if is_forged else cookie}

    assert other.do(lambda web: refused(web, token))


def test_a_cookie_that_another_server_signed_is_believed_whichever_secret_either_uses() -> None:
    old, new = b"o" * 32, b"n" * 32
    here = Pages(secrets=SecretRing([old, new]))
    there = Pages(secrets=SecretRing([new, old]))
    there.browser.jar = here.browser.jar

    tokens = [pages.do(WebSession.csrf_token) for pages in (here, there, here)]
    retired = Pages(secrets=SecretRing([new]))
    retired.browser.jar = dict(here.browser.jar)

    assert len(set(tokens)) == 1
    assert retired.do(WebSession.csrf_token) != tokens[0]


@pytest.mark.parametrize(
    "cookie",
    [
        "op_login=x",
        'op_login="\\',
        "op_login=a; op_login=b",
        "=;;;=",
        "a b=c",
        "op_login=" + "a" * 9000,
        'op_login="' + "a" * 40 + '\\000"',
        "é=ü",
        "[]=1",
        "$Version=1; op_login=x",
        "op_session=\x80",
        'x="\\"',
        "expires=foo; path=x; op_login=1",
        "op_login=" + "0" * 40 + "/../../x",
        "httponly",
        "op_session=" + "x" * 300,
        "op_browser_state=<script>",
    ],
)
@pytest.mark.parametrize("path", ["/", "/login", "/consent?x=1", "/authorization?client_id=web", "/end_session"])
def test_garbage_cookies_are_no_cookies(shared_browser: OpBrowser, path: str, cookie: str) -> None:
    answer = shared_browser.get(path, {"Cookie": cookie})

    assert answer.status == shared_browser.get(path).status
    assert "op_session" not in {name for name, value in answer.cookies.items() if "Max-Age=0" not in value}


@pytest.fixture(scope="module")
def shared_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file))


@pytest.fixture
def shared_browser(shared_op: Op) -> OpBrowser:
    browser = shared_op.browser()
    browser._keep = lambda answer: answer  # type: ignore[method-assign]  # what one answer sets is not sent with the next
    return browser


# -- its part ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PROTOCOL_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_protocol_endpoint_sets_or_reads_it(shared_op: Op, path: str, method: str) -> None:
    browser = shared_op.browser()
    browser.login_page()
    kept = browser.jar["op_login"]

    answer = browser.send(method, path, b"a=b" if method == "POST" else b"", {"Content-Type": "application/x-www-form-urlencoded"})

    assert "op_login" not in answer.cookies
    assert browser.jar["op_login"] == kept


def test_it_alone_signs_nobody_in(browser: OpBrowser) -> None:
    browser.sign_in()
    browser.jar = {"op_login": browser.jar["op_login"]}

    assert not browser.is_signed_in()

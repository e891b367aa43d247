"""What holds of every request to the authorization and end-session endpoints, whatever is in it.

The examples are the same in every run; `HYPOTHESIS_PROFILE=explore` looks for new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bundled_op import OUT_URIS, REDIRECT_URIS, Op, OpBrowser, make_settings, request_of
from tests.wsgi_browser import FORM, Answer

EXPLORING = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
PROFILE = settings(
    max_examples=3000 if EXPLORING else 250,
    derandomize=not EXPLORING,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PROBES = ("<xss>", '"><xss>', "' xss='1", '" xss="1', "</script><xss>", "{{7*7}}xss", "javascript:xss()")
EVIL_URIS = (
    "https://evil.example.com/",
    "//evil.example.com",
    "https://web.example.com/cb/",
    "https://web.example.com/cb?x=1",
    "https://web.example.com/cb#x",
    "https://WEB.example.com/cb",
    "https://web.example.com:443/cb",
    "https://web.example.com@evil.example.com/cb",
    "https://web.example.com/%63b",
    "javascript:alert(1)",
    "data:text/html,x",
    "/login",
    "https://web.example.com/cb\r\nSet-Cookie: op_session=x",
)
VALUES: dict[str, tuple[str, ...]] = {
    "client_id": ("web", "asking", "spa", "nobody", "WEB"),
    "redirect_uri": (*REDIRECT_URIS.values(), *EVIL_URIS),
    "post_logout_redirect_uri": (*OUT_URIS.values(), *EVIL_URIS),
    "response_type": ("code", "id_token", "id_token token", "code id_token", "token", "none", "code code", "code token id_token x"),
    "response_mode": ("query", "fragment", "form_post", "web_message", "query.jwt"),
    "scope": ("openid", "openid email offline_access", "email", "openid  openid", "openid <xss>"),
    "prompt": ("none", "login", "consent", "select_account", "login consent", "none login", "NONE", "create"),
    "max_age": ("0", "1", "-1", "99999999999", "1e3", "x", "٣"),
    "display": ("page", "popup", "x"),
    "acr_values": ("urn:x", "0 1"),
    "ui_locales": ("de en", "xx-YY zz", "../../etc/passwd"),
    "claims": (
        "{}",
        "[]",
        "1",
        "{",
        '{"id_token":{"acr":{"essential":true,"values":["urn:x"]}}}',
        '{"userinfo":{"name":null,"self":null}}',
        '{"id_token":{"sub":{"value":"<xss>"}}}',
        '{"id_token":{"auth_time":{"essential":"yes"}},"userinfo":[]}',
    ),
    "id_token_hint": ("x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA", "....."),
    "code_challenge": ("v" * 43, "short", "S8IYMj8YIK91SBqKD5AnSSs_bAOgKZmTwxUyYVR-ps4"),
    "code_challenge_method": ("S256", "plain", "none"),
    "request": ("eyJhbGciOiJub25lIn0.e30.",),
    "request_uri": ("https://evil.example.com/r", "file:///etc/passwd"),
    "registration": ("{}",),
    "upm_answer": ("true",),
    "login_hint": ("alice", "a" * 3000),
    "logout_hint": ("alice", "bob"),
    "state": ("x", "", "a" * 5000, "a&b=c#d"),
    "nonce": ("n", ""),
    "confirmation": ("x", "a" * 43),
    "resume": ("x", "a" * 43),
    "logout": ("yes",),
    "stay": ("yes",),
}
NAMES = tuple(VALUES)


@st.composite
def wishes(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Parameters: known names with likely, hostile or random values, some of them twice, and a name that nobody knows."""
    pairs = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=6)):
        value = draw(st.sampled_from(VALUES[name]) | st.sampled_from(PROBES) | st.text(max_size=20))
        pairs.append((name, value))
    if draw(st.booleans()):
        pairs.append((draw(st.text(max_size=8)), draw(st.sampled_from(PROBES))))
    return pairs


@st.composite
def authorization_queries(draw: st.DrawFn) -> str:
    """Authorization requests that are nearly right, or not at all."""
    base = request_of(draw(st.sampled_from(["web", "asking", "spa"]))) if draw(st.integers(0, 4)) else {}
    changes = draw(wishes())
    may_repeat = draw(st.integers(0, 6)) == 0
    return _encoded([*base.items(), *changes] if may_repeat else [*(base | dict(changes)).items()])


@st.composite
def end_session_queries(draw: st.DrawFn) -> str:
    """Logout requests, likely and unlikely."""
    return _encoded(draw(wishes()))


raw_queries = st.binary(max_size=60).map(lambda raw: quote(raw, safe="&=+%;?/<>\"'()")) | st.text(
    alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=60
)


def _encoded(pairs: list[tuple[str, str]]) -> str:
    return urlencode([(name, value) for name, value in pairs], errors="surrogatepass")


class _Markup(HTMLParser):
    """Notes what no page of ours has: a tag, an attribute or a link that came out of a request."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in [(tag, ""), *attrs]:
            if "xss" in name or name.startswith("on") or (name in ("href", "src", "action") and (value or "").startswith(("java", "data"))):
                self.foreign.append(f"<{tag} {name}={value!r}>")


def check(answer: Answer) -> None:
    """Assert what holds of every answer."""
    assert answer.status < 500, answer.text
    assert "Max-Age=0" in answer.cookies.get("op_session", "Max-Age=0"), "somebody was signed in"
    if 300 <= answer.status < 400:
        assert answer.status == 303
        assert _is_known(answer.location), answer.location
    elif answer.is_page():
        markup = _Markup()
        markup.feed(answer.text)
        assert not markup.foreign, markup.foreign
        assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or "")
        assert answer.header("Cache-Control") == "no-store"
    else:
        assert answer.error, (answer.status, answer.body)


def _is_known(location: str) -> bool:
    own = ("/login?", "/consent?", "/end_session?resume=")
    return location.startswith(own) or any(location.startswith(allowed) for allowed in _extended()) or location in OUT_URIS.values()


def _extended() -> Iterator[str]:
    """A registered URI and the character that begins what is added to it."""
    for uri in REDIRECT_URIS.values():
        yield f"{uri}{'&' if '?' in uri else '?'}"
        yield f"{uri}#"
    for uri in OUT_URIS.values():
        yield f"{uri}{'&' if '?' in uri else '?'}state="


@pytest.fixture(scope="module")
def one_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file))


@pytest.fixture(scope="module")
def signed_in(one_op: Op) -> OpBrowser:
    browser = one_op.browser()
    browser.sign_in("web")
    return browser


@pytest.fixture(params=["nobody", "somebody"])
def visitor(request: pytest.FixtureRequest, one_op: Op, signed_in: OpBrowser) -> OpBrowser:
    return signed_in if request.param == "somebody" else one_op.browser()


def send(visitor: OpBrowser, path: str, query: str, method: str) -> Answer:
    """Send a request as its own browser would, whose cookies are as they were before."""
    jar = dict(visitor.jar)
    try:
        if method == "GET":
            return visitor.send("GET", f"{path}?{query}")
        return visitor.send("POST", path, query.encode(), {"Content-Type": FORM})
    finally:
        visitor.jar = jar


@pytest.mark.spec("SEC-03", "SEC-11", "CO-11")
@PROFILE
@given(query=authorization_queries() | raw_queries, method=st.sampled_from(["GET", "POST"]))
def test_no_authorization_request_breaks_the_op_or_leads_to_an_unregistered_uri(visitor: OpBrowser, query: str, method: str) -> None:
    answer = send(visitor, "/authorization", query, method)

    check(answer)


@pytest.mark.spec("SEC-11", "CO-12")
@PROFILE
@given(query=authorization_queries() | raw_queries, path=st.sampled_from(["/login", "/consent"]))
def test_no_authorization_request_breaks_the_login_and_consent_pages(visitor: OpBrowser, query: str, path: str) -> None:
    answer = send(visitor, path, query, "GET")

    if answer.location.startswith("/authorization?"):
        answer = send(visitor, "/authorization", answer.location.partition("?")[2], "GET")
    check(answer)


@pytest.mark.spec("RI-43", "RI-45", "SEC-03", "SEC-11")
@PROFILE
@given(query=end_session_queries() | raw_queries, method=st.sampled_from(["GET", "POST"]))
def test_no_logout_request_breaks_the_op_or_leads_to_an_unregistered_uri(visitor: OpBrowser, query: str, method: str) -> None:
    answer = send(visitor, "/end_session", query, method)

    check(answer)


@pytest.mark.spec("RI-31", "SEC-02")
@PROFILE
@given(query=end_session_queries(), method=st.sampled_from(["GET", "POST"]))
def test_no_logout_request_without_a_true_hint_ends_a_session(signed_in: OpBrowser, query: str, method: str) -> None:
    send(signed_in, "/end_session", query, method)

    assert signed_in.is_signed_in("web")

"""Whatever is sent to the browser's endpoints: no fault of ours, no redirect to a URI that is not registered, nothing unescaped."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.provider.conftest import ALL_RESPONSE_TYPES, CHALLENGE, REDIRECT_URIS, Answer, Op

PROBE = "\"'><script>alert(1)</script>"
EVIL = [
    "https://evil.example/cb",
    "//evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "https://basic.example.com@evil.example",
    PROBE,
]
ANY_TEXT = st.one_of(
    st.text(max_size=30), st.sampled_from([PROBE, "\r\nSet-Cookie: a=b", "\x00", "é", "\u2028", "%0d%0a", "a" * 3000, "-1", "[]", "{}"])
)
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
REGISTERED = tuple(REDIRECT_URIS.values())
OUT = "https://basic.example.com/out"


def maybe(*good: str, odd: Any = ANY_TEXT) -> Any:
    return st.one_of(st.none(), st.sampled_from(good), odd)


AUTHORIZATION = st.fixed_dictionaries(
    {
        "client_id": st.one_of(st.sampled_from(["basic", "basic", "public", "post"]), ANY_TEXT),
        "redirect_uri": st.one_of(st.sampled_from([*REGISTERED, *REGISTERED, *EVIL]), ANY_TEXT),
        "response_type": maybe(*ALL_RESPONSE_TYPES, "code", "none", "token"),
        "scope": maybe("openid", "openid email offline_access"),
    },
    optional={
        "state": ANY_TEXT,
        "nonce": ANY_TEXT,
        "response_mode": maybe("query", "fragment", "form_post"),
        "prompt": maybe("none", "login", "consent", "none login"),
        "max_age": maybe("0", "10", "9" * 40),
        "display": maybe("page", "popup"),
        "claims": maybe(
            '{"userinfo": {"email": null}}',
            '{"id_token": {"acr": {"values": [null]}, "auth_time": {"essential": true}}}',
            '{"id_token": {"sub": {"value": 1}}, "userinfo": {"": null, "a#b": {"values": [{}]}}, "x": [1]}',
        ),
        "id_token_hint": ANY_TEXT,
        "login_hint": ANY_TEXT,
        "ui_locales": ANY_TEXT,
        "acr_values": ANY_TEXT,
        "code_challenge": maybe(CHALLENGE),
        "code_challenge_method": maybe("S256", "plain"),
        "upm_answer": maybe("true"),
        "request": ANY_TEXT,
        "self": ANY_TEXT,
        "max_age#de": ANY_TEXT,
    },
)
END_SESSION = st.fixed_dictionaries(
    {},
    optional={
        "id_token_hint": maybe("the hint"),
        "client_id": maybe("basic", "post", "nobody"),
        "post_logout_redirect_uri": st.one_of(st.sampled_from([OUT, *EVIL]), ANY_TEXT),
        "state": ANY_TEXT,
        "logout_hint": ANY_TEXT,
        "ui_locales": ANY_TEXT,
        "confirmation": ANY_TEXT,
        "logout": maybe("yes"),
        "stay": maybe("yes"),
        "resume": ANY_TEXT,
    },
)


def encoded(params: dict[str, Any], extra: str) -> str:
    pairs = [(name, value) for name, value in params.items() if value is not None]
    return "&".join([urlencode(pairs, errors="surrogatepass"), *([extra] if extra else [])])


def check(answer: Answer, *allowed: str) -> None:
    """The answer is one to a person or to a registered URI, and holds nothing of the request as markup."""
    assert answer.status in (200, 303, 400)
    assert (answer.status == 303) == (answer.header("Location") is not None)
    assert answer.location.startswith(allowed) or not answer.location
    assert "<script>alert" not in answer.body or answer.status == 303  # pyoidc's redirect has a body that no browser shows


@pytest.mark.spec("CO-11", "SEC-03", "SEC-11")
@SETTINGS
@given(params=AUTHORIZATION, extra=st.sampled_from(["", "", "", "state=2", "%ff", "=&="]), login=st.sampled_from([None, "alice", "bob"]))
def test_any_authorization_request(op: Op, params: dict[str, Any], extra: str, login: str | None) -> None:
    browser = op.browser()
    if login is not None:
        browser.authorize(login=login)

    answer = browser.authorize_raw(encoded(params, extra))

    check(answer, *(f"{uri}{mark}" for uri in REGISTERED for mark in "?#&"), "/login?")


@pytest.mark.spec("RI-43", "RI-45", "SEC-03", "SEC-11")
@SETTINGS
@given(
    params=END_SESSION, extra=st.sampled_from(["", "", "state=2", "%ff"]), method=st.sampled_from(["GET", "POST"]), signed_in=st.booleans()
)
def test_any_logout_request(op: Op, params: dict[str, Any], extra: str, method: str, signed_in: bool) -> None:
    browser = op.browser()
    if signed_in:
        hint = browser.sign_in()["id_token"]
        params = {name: hint if value == "the hint" else value for name, value in params.items()}

    answer = browser.end_session_raw(encoded(params, extra), method)

    check(answer, OUT, "/end_session")
    if answer.location.startswith(OUT):
        assert params["post_logout_redirect_uri"] == OUT


@SETTINGS
@given(
    params=st.dictionaries(st.sampled_from(["grant_type", "code", "redirect_uri", "client_id", "code_verifier", "scope", "self"]), ANY_TEXT)
)
def test_any_token_request(op: Op, params: dict[str, str]) -> None:
    for authn in (None, "Basic YmFzaWM6eA=="):
        answer = op.token(encoded(params, ""), authn)

        assert answer.status in (400, 401)
        assert set(answer.json) == {"error", "error_description"}

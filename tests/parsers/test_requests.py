"""What browsers and clients send to the OP, against whatever comes: parameters, `claims`, metadata, cookies and confirmations."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.errors import InvalidConfirmation, InvalidRequest
from oic_session_ext.logout.confirmation import PendingLogout, issue_confirmation, take_confirmation
from oic_session_ext.logout.end_session_request import EndSessionRequest, parse_ui_locales, resume_request, stash_request
from oic_session_ext.store import open_store
from oic_session_ext.store.unit_of_work import UnitOfWork
from oic_session_ext.testing.examples import example_op_session
from oic_session_ext.web.parameters import parse_parameters, single_values, with_parameters
from tests.bundled_op import Op, make_settings

from .whatever import ANY_JSON, ANY_TEXT, budget, spoilt

pytestmark = pytest.mark.fuzz

NOW = 1_800_000_000
SESSION = example_op_session()
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)
"""What a parameter may hold."""


@pytest.fixture(scope="module")
def op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file, registration={"mode": "open", "max_per_address": 1000}))


# -- parameters -------------------------------------------------------------------------------------------------------


@budget(30)
@given(text=st.one_of(spoilt("a=1&b=%C3%A9+2&c"), ANY_TEXT))
def test_a_query_is_read_or_refused(text: str) -> None:
    try:
        pairs = parse_parameters(text)
        values = single_values(pairs)
        request = EndSessionRequest.from_params(pairs)
    except InvalidRequest:
        return

    assert values == dict(pairs)
    assert not any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for pair in pairs for text in pair for char in text)
    assert request.ui_locales == parse_ui_locales(values.get("ui_locales", ""))


@budget(30)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), max_size=20))
def test_a_query_is_read_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    assert parse_parameters(urlencode(pairs)) == pairs
    added = with_parameters("https://rp.example.org/cb?x=1", **{f"p{number}": value for number, (_, value) in enumerate(pairs)})
    assert [value for _, value in parse_parameters(added.partition("?")[2])[1:]] == [value for _, value in pairs]


# -- the logout question ----------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-13")
@budget(20)
@given(secret=st.one_of(ANY_TEXT, st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True)), data=st.data())
def test_no_answer_is_taken_but_the_one_that_we_asked_for(secret: str, data: st.DataObject) -> None:
    store = open_store("memory:")
    asked = UnitOfWork(store, NOW)
    issued = issue_confirmation(asked, SESSION, PendingLogout(), 600)
    asked.commit()

    for answer in (secret, data.draw(spoilt(issued))):
        if answer != issued:
            with pytest.raises(InvalidConfirmation):
                take_confirmation(UnitOfWork(store, NOW), answer, SESSION)
    assert resume_request(UnitOfWork(store, NOW), secret) == EndSessionRequest()


@budget(20)
@given(state=st.one_of(st.none(), TEXT), locales=st.lists(st.from_regex(r"[a-z]{2}(-[A-Z]{2})?", fullmatch=True), max_size=3), other=TEXT)
def test_what_was_asked_is_kept_until_the_answer(state: str | None, locales: list[str], other: str) -> None:
    store, pending = open_store("memory:"), PendingLogout("web", f"https://rp.example.org/{other}", state, other, tuple(locales))
    request = EndSessionRequest(other, other, "web", other, state, tuple(locales))
    asked = UnitOfWork(store, NOW)
    answer, key = issue_confirmation(asked, SESSION, pending, 600), stash_request(asked, request)
    asked.commit()

    assert take_confirmation(UnitOfWork(store, NOW), answer, SESSION) == pending
    assert resume_request(UnitOfWork(store, NOW), key) == request


# -- cookies, through the whole server --------------------------------------------------------------------------------

WEB_SESSION = st.one_of(
    st.tuples(st.sampled_from(["op_login", "op_session", "op_browser_state", "x"]), ANY_TEXT), st.tuples(ANY_TEXT, ANY_TEXT)
)


@pytest.mark.spec("SEC-15")
@budget(20)
@given(data=st.data(), path=st.sampled_from(["/", "/login", "/authorization?client_id=web", "/end_session"]))
def test_whatever_cookies_say_nobody_is_signed_in_and_no_id_is_taken_from_them(op: Op, data: st.DataObject, path: str) -> None:
    somebody, anybody = op.browser(), op.browser()
    somebody.login_page()
    cookies = data.draw(
        st.lists(st.one_of(WEB_SESSION, spoilt(f"op_login={somebody.jar['op_login']}").map(lambda text: ("x", f"; {text}"))))
    )
    header = "; ".join(f"{name}={value}" for name, value in cookies).encode("utf-8", "replace").decode("latin-1")

    answer = anybody.get(path, {"Cookie": header})

    assert answer.status < 500
    assert "op_session" not in anybody.jar
    given_id = anybody.jar.get("op_login", "")
    assert not given_id or given_id not in header


# -- claims -----------------------------------------------------------------------------------------------------------

WISH = st.one_of(
    st.none(),
    ANY_JSON,
    st.fixed_dictionaries({}, optional={"essential": ANY_JSON, "value": ANY_JSON, "values": st.lists(ANY_JSON, max_size=2), "x": ANY_JSON}),
)
WISHES = st.dictionaries(
    st.one_of(st.sampled_from(["sub", "acr", "auth_time", "email", "address", "name", "name#de", "sid", "aud", "self"]), ANY_TEXT),
    WISH,
    max_size=3,
)


@budget(15)
@given(
    claims=st.one_of(
        spoilt('{"userinfo": {"email": null}, "id_token": {"acr": {"values": ["x"]}}}'),
        ANY_TEXT,
        ANY_JSON.map(json.dumps),
        st.fixed_dictionaries({}, optional={"userinfo": WISHES, "id_token": WISHES, "x": ANY_JSON}).map(json.dumps),
    )
)
def test_any_claims_are_an_answer_for_the_application(op: Op, signed_in_jar: dict[str, str], claims: str) -> None:
    browser = op.browser()
    browser.jar = signed_in_jar.copy()

    answer = browser.send("GET", "/authorization?" + urlencode(PARAMETERS | {"claims": claims}, errors="surrogatepass"))

    assert answer.status in (303, 400)
    if "code" in answer.query:
        tokens = browser.redeem(answer.query["code"])
        assert (tokens.status, browser.userinfo(tokens.json["access_token"]).status) == (200, 200)
    else:
        assert answer.error in ("invalid_request", "login_required", "access_denied", "interaction_required")


PARAMETERS = {
    "client_id": "web",
    "redirect_uri": "https://web.example.com/cb",
    "response_type": "code",
    "scope": "openid",
    "prompt": "none",
    "state": "s",
    "nonce": "n",
}


@pytest.fixture(scope="module")
def signed_in_jar(op: Op) -> dict[str, str]:
    browser = op.browser()
    browser.sign_in()
    return browser.jar


# -- registration -----------------------------------------------------------------------------------------------------

ODD_URI = st.one_of(spoilt("https://rp.example.org/cb"), ANY_TEXT)
GOOD: dict[str, Any] = {
    "client_name": "An RP",
    "application_type": "native",
    "redirect_uris": ["https://rp.example.org/cb"],
    "post_logout_redirect_uris": ["https://rp.example.org/out"],
    "frontchannel_logout_uri": "https://rp.example.org/fc",
    "backchannel_logout_uri": "https://rp.example.org/bc",
    "token_endpoint_auth_method": "client_secret_post",
    "logo_uri": "https://rp.example.org/logo.png",
    "jwks_uri": "https://rp.example.org/jwks",
    "initiate_login_uri": "https://rp.example.org/start",
    "default_max_age": 60,
    "contacts": ["a@rp.example.org"],
}
NAMES = [
    *GOOD,
    *(
        "grant_types",
        "response_types",
        "subject_type",
        "jwks",
        "sector_identifier_uri",
        "request_uris",
        "client_id",
        "client_secret",
        "consent",
    ),
    *(
        "userinfo_signed_response_alg",
        "id_token_encrypted_response_alg",
        "require_auth_time",
        "default_acr_values",
        "allow_http",
        "introspection",
    ),
    *("frontchannel_logout_session_required", "backchannel_logout_token_typ", "client_name#de", "registration_access_token", "policy_uri"),
]
METADATA = st.dictionaries(st.sampled_from(NAMES), st.one_of(ANY_JSON, ODD_URI, st.lists(ODD_URI, max_size=3)), max_size=3)


@pytest.mark.spec("REG-08", "REG-09")
@budget(25)
@given(changes=METADATA, left_out=st.lists(st.sampled_from(list(GOOD)), max_size=2))
def test_metadata_is_registered_and_told_again_as_it_is_or_refused(op: Op, changes: dict[str, Any], left_out: list[str]) -> None:
    browser = op.browser()
    asked = {name: value for name, value in {**GOOD, **changes}.items() if name not in left_out or name in changes}

    answer = browser.send("POST", "/registration", json.dumps(asked).encode(), {"Content-Type": "application/json"})

    if answer.status == 400:
        assert answer.error in ("invalid_client_metadata", "invalid_redirect_uri", "invalid_request")
        return
    assert answer.status == 201
    told = answer.json
    bearer = {"Authorization": f"Bearer {told['registration_access_token']}"}
    address = told["registration_client_uri"].removeprefix("http://localhost:8080")
    assert browser.send("GET", address, headers=bearer).json == told
    for name in (
        "redirect_uris",
        "post_logout_redirect_uris",
        "frontchannel_logout_uri",
        "backchannel_logout_uri",
        "logo_uri",
        "client_name",
    ):
        assert told.get(name) == asked.get(name) or (name == "post_logout_redirect_uris" and not told.get(name))
    assert told["client_id"] != asked.get("client_id")
    kept = op.server.op.session_management.client(told["client_id"]) or {}
    assert (kept["consent"], kept.get("introspection", "own")) == ("ask", "own")
    again = {name: value for name, value in told.items() if name not in ("registration_access_token", "registration_client_uri")}
    again = {name: value for name, value in again.items() if name not in ("client_id_issued_at", "client_secret_expires_at")}
    headers = bearer | {"Content-Type": "application/json"}
    assert browser.send("PUT", address, json.dumps(again).encode(), headers).status == 200

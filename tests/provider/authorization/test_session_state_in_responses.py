"""`session_state` and the `op_browser_state` cookie, in every kind of authentication response."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from oic_session_ext.session_management.browser_cookies import CookiePolicy
from oic_session_ext.session_management.session_state import verify_session_state
from oic_session_ext.store.memory.engine import MemoryStore
from tests.provider.conftest import ALL_RESPONSE_TYPES, Answer, Browser, MakeOp, Op, request_of

STATE_COOKIE = "__Host-op_browser_state"
ORIGIN = "https://basic.example.com"


def parameters_of(answer: Answer) -> dict[str, str]:
    return answer.in_query or answer.in_fragment or answer.form.fields


def is_good(browser: Browser, answer: Answer, client_id: str = "basic", origin: str = ORIGIN) -> bool:
    """Whether the iframe in this browser would answer `unchanged`."""
    return verify_session_state(parameters_of(answer)["session_state"], client_id, origin, browser.jar[STATE_COOKIE])


@pytest.mark.spec("SM-01", "SM-04")
@pytest.mark.parametrize("response_mode", [None, "fragment", "form_post"])
@pytest.mark.parametrize("response_type", ALL_RESPONSE_TYPES)
def test_every_successful_response_carries_session_state(browser: Browser, response_type: str, response_mode: str | None) -> None:
    answer = browser.authorize(login="alice", response_type=response_type, response_mode=response_mode)

    assert "error" not in parameters_of(answer)
    assert is_good(browser, answer)


@pytest.mark.spec("SM-01")
@pytest.mark.parametrize("response_type", ALL_RESPONSE_TYPES)
def test_session_state_stands_where_the_other_parameters_stand(browser: Browser, response_type: str) -> None:
    answer = browser.authorize(login="alice", response_type=response_type)

    assert ("session_state" in answer.in_query) == (response_type == "code")
    assert ("session_state" in answer.in_fragment) == (response_type != "code")


@pytest.mark.spec("SM-02", "SM-18")
@pytest.mark.parametrize("response_mode", [None, "query", "fragment", "form_post"])
def test_an_error_response_carries_session_state_that_fits_the_cookie_set_with_it(browser: Browser, response_mode: str | None) -> None:
    answer = browser.renew(response_mode=response_mode)

    assert parameters_of(answer)["error"] == "login_required"
    assert STATE_COOKIE in answer.cookies
    assert is_good(browser, answer)


@pytest.mark.spec("SM-02", "WR-20")
def test_an_error_found_before_anybody_is_looked_for_carries_it_as_well(browser: Browser) -> None:
    browser.sign_in()

    answer = browser.authorize(prompt="none login")

    assert is_good(browser, answer)


@pytest.mark.spec("CO-10")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, "login_required"),
        ({"response_mode": "fragment"}, "login_required"),
        ({"response_mode": "form_post"}, "login_required"),
        ({"response_type": "id_token token"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"response_type": "device"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"login_hint": "alice", "nonce": "n", "code_challenge": "x"}, "invalid_request"),
    ],
    ids=str,
)
def test_an_error_response_carries_nothing_else(browser: Browser, changes: dict[str, str], error: str) -> None:
    silent: dict[str, Any] = {"prompt": "none", **changes}
    stateless: dict[str, Any] = {"prompt": "none", "state": None, **changes}
    given = parameters_of(browser.authorize(**silent))

    assert given["error"] == error
    assert set(given) == {"error", "error_description", "state", "session_state", "iss"}
    assert set(parameters_of(browser.authorize(**stateless))) == set(given) - {"state"}


@pytest.mark.spec("SM-03", "SM-05")
def test_session_state_has_the_documented_shape(browser: Browser) -> None:
    pattern = r"[0-9a-f]{64}\.[A-Za-z0-9_-]{16,64}"

    for answer in (browser.renew(), browser.authorize(login="alice")):
        assert re.fullmatch(pattern, answer.in_query["session_state"])


@pytest.mark.spec("SM-07", "SM-08")
def test_each_response_has_its_own_salt_and_all_stay_good(browser: Browser) -> None:
    failed = [browser.renew(), browser.renew()]
    assert failed[0].in_query["session_state"] != failed[1].in_query["session_state"]
    assert all(is_good(browser, answer) for answer in failed)

    browser.sign_in()
    renewed = [browser.renew(), browser.renew()]
    assert renewed[0].in_query["session_state"] != renewed[1].in_query["session_state"]
    assert all(is_good(browser, answer) for answer in renewed)


@pytest.mark.spec("SM-09")
def test_the_token_response_carries_none(browser: Browser) -> None:
    assert "session_state" not in browser.sign_in()


@pytest.mark.spec("SM-10")
def test_another_client_and_another_origin_get_another_value(browser: Browser) -> None:
    browser.sign_in()

    answer = browser.renew("post")

    assert is_good(browser, answer, "post", "https://post.example.com")
    assert not is_good(browser, answer, "basic", "https://post.example.com")
    assert not is_good(browser, answer, "post", ORIGIN)


@pytest.mark.spec("SM-06")
def test_the_origin_of_a_private_scheme_is_null(browser: Browser) -> None:
    answer = browser.authorize("public", login="alice", redirect_uri="com.example.app:/cb")

    assert is_good(browser, answer, "public", "null")


@pytest.mark.spec("SM-06")
def test_the_origin_is_written_as_browsers_write_it(make_op: MakeOp) -> None:
    op = make_op()
    uri = "https://Basic.Example.com:443/cb"
    op.clients["basic"]["redirect_uris"] = [(uri, None)]
    browser = op.browser()

    assert is_good(browser, browser.authorize(login="alice", redirect_uri=uri))


# -- the cookie ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SM-11", "SM-16")
def test_the_state_can_be_read_by_the_iframe_in_another_sites_page(browser: Browser) -> None:
    cookie = browser.authorize(login="alice").cookies[STATE_COOKIE]

    assert "HttpOnly" not in cookie
    assert "; Secure" in cookie
    assert "; SameSite=None" in cookie
    assert "; Path=/" in cookie
    assert "Domain" not in cookie


@pytest.mark.spec("SM-12", "PY-03")
def test_two_logins_of_one_second_have_different_states(op: Op) -> None:
    first, second = op.browser(), op.browser()
    first.sign_in(login="alice")
    second.sign_in(login="alice")

    assert first.jar[STATE_COOKIE] != second.jar[STATE_COOKIE]
    assert len(first.jar[STATE_COOKIE]) >= 43


@pytest.mark.spec("SM-13", "SM-15", "SM-17")
def test_login_logout_and_change_of_user_change_the_state(browser: Browser) -> None:
    before = browser.renew()
    hint = browser.sign_in()["id_token"]
    signed_in = browser.renew()
    assert not is_good(browser, before)

    browser.end_session(id_token_hint=hint)
    assert STATE_COOKIE in browser.jar
    assert not is_good(browser, signed_in)
    assert is_good(browser, browser.renew())

    browser.sign_in(login="alice")
    as_alice = browser.renew()
    browser.sign_in(login="bob")
    assert not is_good(browser, as_alice)


@pytest.mark.spec("SM-14", "CO-09")
def test_renewals_tokens_userinfo_and_a_second_login_leave_the_state_alone(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(scope="openid offline_access", prompt="consent")
    state = browser.jar[STATE_COOKIE]

    browser.renew("post")
    op.refresh(tokens["refresh_token"])
    op.userinfo(tokens["access_token"])
    browser.sign_in(prompt="login")

    assert browser.jar[STATE_COOKIE] == state


@pytest.mark.spec("SM-18")
def test_nobody_signed_in_has_one_state_on_every_server(make_op: MakeOp) -> None:
    store = MemoryStore()
    first, second = make_op(store=store).browser(), make_op(store=store).browser()
    first.renew()
    second.renew()

    assert first.jar[STATE_COOKIE] == second.jar[STATE_COOKIE]


def test_a_configured_key_decides_the_state_of_nobody(make_op: MakeOp) -> None:
    plain, keyed, same = make_op(), make_op(unauthenticated_key="k" * 16), make_op(unauthenticated_key="k" * 16)
    states = []
    for op in (plain, keyed, same):
        browser = op.browser()
        browser.renew()
        states.append(browser.jar[STATE_COOKIE])

    assert states[0] != states[1] == states[2]
    assert "k" * 16 not in states[1]


def test_a_state_cookie_that_was_lost_is_given_again(browser: Browser) -> None:
    browser.sign_in()
    state = browser.jar.pop(STATE_COOKIE)

    browser.renew()

    assert browser.jar[STATE_COOKIE] == state


@pytest.mark.parametrize("planted", ["x", "nobody's", "a" * 300, '"'])
def test_a_planted_state_cookie_is_replaced(browser: Browser, planted: str) -> None:
    browser.jar[STATE_COOKIE] = planted

    answer = browser.renew()

    assert STATE_COOKIE in answer.cookies
    assert is_good(browser, answer)


FRAMED = {"sec-fetch-dest": "iframe", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


def test_no_state_is_written_from_inside_another_sites_page_that_hides_the_real_cookies(browser: Browser) -> None:
    answer = browser.authorize_raw(urlencode(request_of(prompt="none")), headers=FRAMED)

    assert answer.in_query["error"] == "login_required"
    assert answer.cookies == {}


def test_a_state_is_written_there_when_the_real_session_came_along(browser: Browser) -> None:
    browser.sign_in()
    browser.jar.pop(STATE_COOKIE)

    answer = browser.authorize_raw(urlencode(request_of(prompt="none")), headers=FRAMED)

    assert STATE_COOKIE in answer.cookies


def test_the_framed_page_and_the_assets_set_no_cookie(op: Op, browser: Browser) -> None:
    browser.sign_in()
    browser.jar.pop(STATE_COOKIE)

    for path in ("/check_session", op.ext.pages.asset_url("check_session.js")):
        assert browser.open(path).cookies == {}


# -- switched off ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("MD-04")
def test_without_session_management_there_is_no_trace_of_it(make_op: MakeOp) -> None:
    op = make_op(check_session=False)
    browser = op.browser()

    for answer in (browser.renew(), browser.authorize(login="alice"), browser.renew()):
        assert "session_state" not in answer.in_query
        assert STATE_COOKIE not in answer.cookies
    assert "check_session_iframe" not in op.provider.create_providerinfo().to_dict()
    assert browser.open("/check_session").status == 404
    assert browser.is_signed_in()


def test_on_an_http_issuer_on_loopback_the_cookies_are_plain_and_lax(make_op: MakeOp) -> None:
    op = make_op()
    op.ext.browsers.cookies = CookiePolicy("http://localhost:8080", op.ext.settings)

    cookies = op.browser().authorize(login="alice").cookies

    assert set(cookies) == {"op_session", "op_browser_state"}
    assert all("SameSite=Lax" in cookie and "Secure" not in cookie for cookie in cookies.values())

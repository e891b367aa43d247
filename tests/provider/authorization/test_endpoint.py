"""The authorization endpoint: who may be redirected to, who is asked to sign in, and what the RP is told."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from oic.oic.provider import Provider as StockProvider
from oic.utils.http_util import Response, SeeOther

from oic_session_ext.crypto import jose
from oic_session_ext.provider import Answered, CompletedLogin, OpPolicy, SessionManagementMixin
from oic_session_ext.provider.authorization.request import AuthorizationError
from oic_session_ext.provider.request.scope import AuthorizationContext, RequestScope
from tests.provider.conftest import ACR, CLIENT_RSA_KEY, ISSUER, Answer, Browser, LoginPage, MakeOp, Op, request_of


def error_of(answer: Answer) -> str | None:
    return (answer.in_query or answer.in_fragment).get("error")


# -- what is never redirected ---------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-11")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"redirect_uri": None},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "https://basic.example.com/c%62"},
        {"redirect_uri": "https://basic.example.com/cb?x=1"},
        {"redirect_uri": "https://basic.example.com/cb/"},
        {"redirect_uri": "https://BASIC.example.com/cb"},
        {"redirect_uri": "https://basic.example.com:443/cb"},
        {"redirect_uri": "https://user@basic.example.com/cb"},
        {"redirect_uri": "https://basic.example.com/cb#f"},
        {"redirect_uri": "https://post.example.com/plain"},
        {"state": "s" * 5000},
        {"nonce": "n" * 2000},
    ],
    ids=lambda changes: "-".join(f"{name}={str(value)[:34]}" for name, value in changes.items()),
)
def test_a_request_that_may_not_be_redirected_is_answered_with_a_page(browser: Browser, changes: dict[str, Any]) -> None:
    answer = browser.authorize(login="alice", **changes)

    assert answer.status == 400
    assert answer.header("Location") is None
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or "")


@pytest.mark.parametrize(
    "query",
    [
        f"{urlencode(request_of())}&redirect_uri=https%3A%2F%2Fevil.example",
        f"{urlencode(request_of())}&client_id=post",
        f"{urlencode(request_of())}&state=2",
        f"{urlencode(request_of())}&zz=1&zz=2",
        f"{urlencode(request_of())}&a=%ff",
        f"{urlencode(request_of())}&a=%0d%0aSet-Cookie:x",
        f"{urlencode(request_of())}&a=%00",
        "&".join(f"p{number}=1" for number in range(200)),
        "a=" + "b" * 70_000,
        "",
        "&&&",
        "=",
        "%",
    ],
    ids=[
        "redirect_uri twice",
        "client_id twice",
        "state twice",
        "unknown twice",
        "utf8",
        "crlf",
        "nul",
        "many",
        "long",
        "empty",
        "&",
        "=",
        "%",
    ],
)
def test_a_request_that_cannot_be_read_is_answered_with_a_page(browser: Browser, query: str) -> None:
    answer = browser.authorize_raw(query)

    assert answer.status == 400
    assert answer.header("Location") is None


def test_nothing_of_a_refused_request_is_on_the_page(browser: Browser) -> None:
    answer = browser.authorize(redirect_uri="https://evil.example/<script>", state="<script>alert(1)</script>")

    assert "alert" not in answer.body
    assert "evil.example" not in answer.body


# -- what is redirected ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-11")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_type": "code code2"}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "email"}, "invalid_scope"),
        ({"response_type": "id_token", "nonce": None}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "whatever"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"display": "wall"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": '{"userinfo": 5}'}, "invalid_request"),
        ({"claims": '{"userinfo": {"self": null}}'}, "invalid_request"),
        ({"claims": '{"id_token": {"cls": null}}'}, "invalid_request"),
        ({"claims": r'{"userinfo": {"\ud800": null}}'}, "invalid_request"),
        ({"claims": '{"id_token": {"acr": {"values": 5}}}'}, "invalid_request"),
        ({"claims": '{"id_token": {"acr": {"value": {}}}}'}, "invalid_request"),
        ({"claims": '{"userinfo": {"sub": {"values": 5}}}'}, "invalid_request"),
        ({"claims": '{"id_token": {"sub": {"value": null}}}'}, "invalid_request"),
        ({"claims": '{"userinfo#de": 5}'}, "invalid_request"),
        ({"max_age#de": "soon"}, "invalid_request"),
        ({"request": "a.b.c"}, "invalid_request_object"),
        ({"request_uri": "http://169.254.169.254/latest"}, "invalid_request_uri"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"code_challenge": "c" * 43}, "invalid_request"),
        ({"code_challenge": "c" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"id_token_hint": "garbage"}, "invalid_request"),
    ],
    ids=lambda value: "-".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else value,
)
def test_what_is_wrong_beyond_the_redirect_uri_is_told_to_the_rp(browser: Browser, changes: dict[str, Any], error: str) -> None:
    answer = browser.authorize(login="alice", **changes)

    assert answer.status == 303
    assert answer.location.startswith("https://basic.example.com/cb")
    parameters = answer.in_query or answer.in_fragment
    assert parameters["error"] == error
    assert parameters["state"] == "the state"
    assert set(parameters) == {"error", "error_description", "state", "session_state", "iss"}


def test_a_response_type_that_the_client_did_not_register_is_refused(make_op: MakeOp) -> None:
    op = make_op()
    del op.clients["basic"]["response_types"]

    assert op.browser().authorize(response_type="code id_token").in_fragment["error"] == "unauthorized_client"
    assert "code" in op.browser().authorize(login="alice").in_query


def test_tokens_are_never_sent_in_a_query(browser: Browser) -> None:
    answer = browser.authorize(login="alice", response_type="code id_token", response_mode="query")

    assert answer.in_query == {}
    assert answer.in_fragment["error"] == "invalid_request"


def test_a_private_scheme_takes_no_form(browser: Browser) -> None:
    answer = browser.authorize("public", login="alice", redirect_uri="com.example.app:/cb", response_mode="form_post")

    assert answer.status == 303
    assert answer.in_query["error"] == "invalid_request"


def test_a_private_scheme_gets_its_code(browser: Browser) -> None:
    answer = browser.authorize("public", login="alice", redirect_uri="com.example.app:/cb")

    assert answer.location.startswith("com.example.app:/cb?")
    assert "code" in answer.in_query


def test_the_query_of_a_registered_redirect_uri_is_kept(browser: Browser) -> None:
    answer = browser.authorize("post", login="alice")

    assert answer.location.startswith("https://post.example.com/cb?foo=bar&x=1&")
    assert "code" in answer.in_query


@pytest.mark.parametrize("redirect_uri", ["https://post.example.com/cb?foo=bar", "https://post.example.com/cb?x=1&foo=bar"])
def test_less_or_another_order_of_the_registered_query_is_refused(browser: Browser, redirect_uri: str) -> None:
    assert browser.authorize("post", login="alice", redirect_uri=redirect_uri).status == 400


@pytest.mark.spec("RFC 6749-3.1")
@pytest.mark.parametrize(
    "name",
    [
        "response_mode",
        "prompt",
        "display",
        "max_age",
        "claims",
        "ui_locales",
        "claims_locales",
        "id_token_hint",
        "login_hint",
        "acr_values",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "registration",
        "unknown",
    ],
)
def test_a_parameter_without_a_value_is_as_if_it_had_not_been_sent(op: Op, browser: Browser, name: str) -> None:
    browser.authorize(login="alice")

    changes: dict[str, Any] = {name: ""}
    answer = browser.authorize(**changes)

    assert op.redeem(answer.in_query["code"]).status == 200


@pytest.mark.spec("RFC 6749-3.1")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_is_needed_to_lead_back_is_missing_when_it_is_empty(browser: Browser, name: str) -> None:
    changes: dict[str, Any] = {name: ""}

    assert browser.authorize(login="alice", **changes).status == 400


@pytest.mark.spec("RFC 6749-3.1")
@pytest.mark.parametrize("name", ["response_type", "scope"])
def test_what_every_request_needs_is_missing_when_it_is_empty(browser: Browser, name: str) -> None:
    changes: dict[str, Any] = {name: ""}

    assert browser.authorize(login="alice", **changes).in_query["error"] in ("invalid_request", "invalid_scope")


@pytest.mark.spec("RFC 6749-3.1")
def test_a_public_application_without_a_challenge_is_refused_when_it_is_empty_too(browser: Browser) -> None:
    assert browser.authorize("public", login="alice", code_challenge="").in_query["error"] == "invalid_request"


def test_a_scope_that_is_asked_for_twice_is_granted_once(op: Op, browser: Browser) -> None:
    answer = browser.authorize(login="alice", scope="openid email openid  email")

    assert answer.in_query["scope"] == "openid email"
    assert op.redeem(answer.in_query["code"]).json["scope"] == "openid email"


@pytest.mark.parametrize("state", ["", "a b&c=+%#\"'<>é", "x" * 4096])
def test_state_comes_back_as_it_was_sent(browser: Browser, state: str) -> None:
    assert browser.authorize(login="alice", state=state).in_query["state"] == state
    assert browser.authorize(prompt="none login", state=state).in_query["state"] == state


def test_no_state_comes_back_when_none_was_sent(browser: Browser) -> None:
    assert "state" not in browser.authorize(login="alice", state=None).in_query
    assert "state" not in browser.authorize(prompt="none login", state=None).in_query


def test_an_answer_with_an_access_token_says_how_long_it_is_good(browser: Browser) -> None:
    assert browser.authorize(login="alice", response_type="id_token token").in_fragment["expires_in"] == "3600"


def test_a_redirect_is_not_kept_and_sends_no_referrer(browser: Browser) -> None:
    answer = browser.authorize(login="alice")

    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Referrer-Policy") == "no-referrer"


def test_a_form_post_is_a_page_that_cannot_be_framed_and_that_escapes_its_values(browser: Browser) -> None:
    answer = browser.authorize(login="alice", response_mode="form_post", state='"><script>alert(1)</script>')

    assert answer.status == 200
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Cache-Control") == "no-store"
    assert "<script>alert" not in answer.body
    assert answer.form.action == "https://basic.example.com/cb"
    assert answer.form.fields["state"] == '"><script>alert(1)</script>'


def test_a_request_may_come_as_a_form(op: Op, browser: Browser) -> None:
    # the endpoint does not see where the text came from: a form's body and a query are one and the same
    answer = Answer.of(op.provider.authorization_endpoint(urlencode(request_of()), cookie=None, headers={"content-type": "x"}))

    assert answer.location.startswith("/login?")


def test_a_request_may_come_as_a_mapping(op: Op) -> None:
    answer = Answer.of(op.provider.authorization_endpoint(request_of()))

    assert answer.location.startswith("/login?")


# -- who is asked to sign in --------------------------------------------------------------------------------------------------


def test_nobody_signed_in_is_asked_to_sign_in(browser: Browser) -> None:
    answer = browser.authorize()

    assert answer.status == 303
    assert answer.location.startswith("/login?client_id=basic")


@pytest.mark.spec("CO-01")
def test_prompt_none_without_a_login_is_answered_to_the_rp(browser: Browser) -> None:
    answer = browser.renew()

    assert answer.in_query["error"] == "login_required"
    assert answer.in_query["state"] == "the state"


@pytest.mark.spec("CO-01", "CO-05")
def test_prompt_none_with_a_login_is_answered_with_a_code(browser: Browser) -> None:
    browser.sign_in()

    assert "code" in browser.renew().in_query


def test_a_forged_session_cookie_is_nobody(browser: Browser) -> None:
    browser.sign_in()
    browser.jar["__Host-op_session"] = "A" * 43

    assert browser.renew().in_query["error"] == "login_required"


def test_two_session_cookies_of_two_live_sessions_sign_no_user_in(op: Op, browser: Browser) -> None:
    browser.sign_in()
    other = op.browser()
    other.sign_in(login="bob")
    twice = f"{browser.cookie}; __Host-op_session={other.jar['__Host-op_session']}"

    answer = Answer.of(op.provider.authorization_endpoint(urlencode(request_of(prompt="none")), cookie=twice))

    assert answer.in_query["error"] == "login_required"


def test_a_second_session_cookie_that_names_no_session_changes_nothing(op: Op, browser: Browser) -> None:
    browser.sign_in()
    twice = f"{browser.cookie}; __Host-op_session=planted"

    answer = Answer.of(op.provider.authorization_endpoint(urlencode(request_of(prompt="none")), cookie=twice))

    assert "code" in answer.in_query


def test_a_native_application_may_listen_on_any_port_of_a_loopback_address(op: Op, browser: Browser) -> None:
    op.clients["public"]["redirect_uris"].append(("http://127.0.0.1/cb", None))
    listening = "http://127.0.0.1:51004/cb"

    answer = browser.authorize("public", login="alice", redirect_uri=listening)

    assert answer.location.startswith(f"{listening}?")
    assert op.redeem(answer.in_query["code"], "public", redirect_uri=listening).status == 200


@pytest.mark.spec("OIDCC-3.1.2.1-prompt")
@pytest.mark.parametrize("prompt", ["login", "select_account", "login consent"])
def test_a_prompt_asks_somebody_signed_in_again(browser: Browser, prompt: str) -> None:
    browser.sign_in()

    assert browser.authorize(prompt=prompt).location.startswith("/login?")


def test_a_prompt_is_answered_by_the_login_made_for_it(browser: Browser) -> None:
    browser.sign_in()

    assert "code" in browser.authorize(prompt="login", login="alice").in_query


def test_a_login_made_a_step_before_answers_the_prompt_too(op: Op, browser: Browser) -> None:
    browser.sign_in()
    request = urlencode(request_of(prompt="login"))

    assert "code" in browser.authorize_raw(request, answered=Answered(is_signed_in=True)).in_query
    assert browser.authorize_raw(request).location.startswith("/login?")


def test_that_a_login_was_made_a_step_before_signs_nobody_in(browser: Browser) -> None:
    answer = browser.authorize_raw(urlencode(request_of()), answered=Answered(is_signed_in=True))

    assert answer.location.startswith("/login?")


@pytest.mark.parametrize("parameter", ["answered", "is_signed_in", "login", "consent", "authn", "headers"])
def test_no_parameter_of_a_request_is_an_answer(browser: Browser, parameter: str) -> None:
    assert browser.authorize_raw(urlencode(request_of(**{parameter: "allowed"}))).location.startswith("/login?")


@pytest.mark.spec("CO-08")
def test_max_age_asks_again_once_the_login_is_too_old(op: Op, browser: Browser) -> None:
    browser.sign_in()
    op.clock.advance(2)

    assert "code" in browser.authorize(max_age=3).in_query
    assert browser.authorize(max_age=2).location.startswith("/login?")
    assert browser.renew(max_age=1).in_query["error"] == "login_required"


@pytest.mark.spec("CO-08")
def test_max_age_0_always_asks(browser: Browser) -> None:
    browser.sign_in()

    assert browser.authorize(max_age=0).location.startswith("/login?")
    assert browser.renew(max_age=0).in_query["error"] == "login_required"
    assert "code" in browser.authorize(max_age=0, login="alice").in_query


@pytest.mark.spec("CO-08", "CO-09")
def test_a_second_login_gives_a_new_auth_time_in_the_same_session(op: Op, browser: Browser) -> None:
    first = op.claims(browser.sign_in()["id_token"])
    op.clock.advance(100)

    second = op.claims(browser.sign_in(max_age=1)["id_token"])

    assert second["auth_time"] == first["auth_time"] + 100
    assert second["sid"] == first["sid"]


def test_a_session_that_was_idle_for_too_long_is_over(make_op: MakeOp) -> None:
    op = make_op(idle_timeout_s=100)
    browser = op.browser()
    browser.sign_in()
    op.clock.advance(99)
    assert browser.is_signed_in()
    op.clock.advance(100)

    answer = browser.renew()

    assert answer.in_query["error"] == "login_required"
    assert "Max-Age=0" in answer.cookies["__Host-op_session"]


def test_a_session_is_over_after_its_absolute_time_even_when_used(make_op: MakeOp) -> None:
    op = make_op(idle_timeout_s=100, absolute_timeout_s=150)
    browser = op.browser()
    browser.sign_in()
    for _ in range(2):
        op.clock.advance(75)
        signed_in = browser.is_signed_in()

    assert not signed_in


@pytest.mark.spec("OIDCC-5.5.1.1")
def test_an_acr_that_must_be_met_asks_somebody_who_signed_in_otherwise(op: Op, browser: Browser) -> None:
    browser.authorize_raw(urlencode(request_of()), answered=Answered(login=CompletedLogin("alice", "urn:weak", op.clock())))
    wish = json.dumps({"id_token": {"acr": {"essential": True, "values": [ACR]}}})

    assert browser.authorize(claims=wish).location.startswith("/login?")
    assert browser.renew(claims=wish).in_query["error"] == "login_required"
    assert "code" in browser.authorize(claims=wish, login="alice").in_query


@pytest.mark.spec("OIDCC-5.5.1.1")
def test_an_acr_that_must_be_met_and_that_nothing_here_gives_is_refused(browser: Browser) -> None:
    wish = json.dumps({"id_token": {"acr": {"essential": True, "value": "urn:unknown"}}})

    assert browser.authorize(claims=wish).in_query["error"] == "unmet_authentication_requirements"


@pytest.mark.spec("OIDCC-5.5.1.1", "OIDCC-3.1.2.1")
@pytest.mark.parametrize(
    "changes",
    [
        {"acr_values": "urn:unknown urn:other"},
        {"claims": '{"id_token": {"acr": {"value": "urn:unknown"}}}'},
        {"claims": '{"id_token": {"acr": {"essential": false, "values": ["urn:unknown"]}}}'},
        {"claims": '{"id_token": {"acr": {"essential": true}}}'},
        {"claims": '{"id_token": {"acr": null}}'},
    ],
    ids=str,
)
def test_an_acr_that_is_merely_wished_for_fails_no_request(op: Op, browser: Browser, changes: dict[str, str]) -> None:
    browser.authorize(login="alice")

    answer = browser.renew(**changes)

    assert op.claims(op.redeem(answer.in_query["code"]).json["id_token"])["acr"] == ACR


def test_the_acr_values_that_a_client_registered_are_tried_when_the_request_has_none(
    make_op: MakeOp, monkeypatch: pytest.MonkeyPatch
) -> None:
    op = make_op()
    op.clients["basic"]["default_acr_values"] = ["urn:unknown", ACR]
    asked = []
    monkeypatch.setattr(LoginPage, "__call__", lambda _, **given: asked.append(given["acr_values"]) or SeeOther("/login"))

    op.browser().authorize()
    op.browser().authorize(acr_values="urn:other")

    assert asked == [["urn:unknown", ACR], ["urn:other"]]


def test_max_age_that_a_client_registered_counts_when_the_request_has_none(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"]["default_max_age"] = 60
    browser = op.browser()
    browser.authorize(login="alice")
    op.clock.advance(61)

    assert browser.renew().in_query["error"] == "login_required"
    assert "code" in browser.renew(max_age=3600).in_query


def test_the_login_page_gets_the_request_to_go_on_with(browser: Browser) -> None:
    answer = browser.authorize(prompt="login", login_hint="alice", max_age=5, ui_locales="de")

    assert answer.in_query == request_of(prompt="login", login_hint="alice", max_age=5, ui_locales="de")


@pytest.mark.parametrize("response_type", ["code", "id_token", "code token"])
def test_rfc9207_2_an_answer_says_whose_it_is(browser: Browser, response_type: str) -> None:
    for answer in (browser.authorize(login="alice", response_type=response_type), browser.authorize(prompt="none login")):
        assert (answer.in_query or answer.in_fragment)["iss"] == ISSUER
    assert browser.authorize(response_type=response_type, response_mode="form_post").form.fields["iss"] == ISSUER


# -- hints ---------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-03")
@pytest.mark.parametrize("part", ["userinfo", "id_token"])
@pytest.mark.parametrize("name", ["sub", "\\u0073ub"])
@pytest.mark.parametrize("wish", ['{"value": "SUB"}', '{"essential": true, "values": ["SUB", "?"]}'])
@pytest.mark.parametrize("response_type", ["code", "id_token"])
def test_a_sub_asked_for_as_a_claim_is_answered_for_that_user_alone(
    op: Op, browser: Browser, part: str, name: str, wish: str, response_type: str
) -> None:
    sub = op.claims(browser.sign_in()["id_token"])["sub"]

    def claims(value: str) -> str:
        return f'{{"{part}": {{"{name}": {wish.replace("SUB", value)}}}}}'

    assert error_of(browser.renew(response_type=response_type, claims=claims(sub))) is None
    assert error_of(browser.renew(response_type=response_type, claims=claims("another"))) == "login_required"
    assert browser.authorize(response_type=response_type, claims=claims("another")).location.startswith("/login?")
    assert error_of(browser.authorize(response_type=response_type, claims=claims("another"), login="alice")) == "login_required"


def test_a_hint_and_a_sub_that_differ_are_answered_for_nobody(op: Op, browser: Browser) -> None:
    hint = browser.sign_in()["id_token"]
    other = op.claims(op.browser().sign_in(login="bob")["id_token"])["sub"]
    claims = json.dumps({"id_token": {"sub": {"value": other}}})

    assert browser.renew(id_token_hint=hint, claims=claims).in_query["error"] == "login_required"
    assert browser.authorize(id_token_hint=hint, claims=claims, login="bob").in_query["error"] == "login_required"


@pytest.mark.spec("CO-03")
def test_a_hint_of_the_user_signed_in_succeeds(browser: Browser) -> None:
    hint = browser.sign_in()["id_token"]

    assert "code" in browser.renew(id_token_hint=hint).in_query


@pytest.mark.spec("CO-03")
def test_a_hint_of_another_user_never_gets_a_positive_answer(op: Op, browser: Browser) -> None:
    other = op.browser().sign_in(login="bob")["id_token"]
    browser.sign_in()

    assert browser.renew(id_token_hint=other).in_query["error"] == "login_required"
    assert browser.authorize(id_token_hint=other).location.startswith("/login?")
    assert browser.authorize(id_token_hint=other, login="alice").in_query["error"] == "login_required"
    assert "code" in browser.authorize(id_token_hint=other, login="bob").in_query


def test_a_hint_of_a_user_who_never_signed_in_here_gets_no_positive_answer(op: Op, browser: Browser) -> None:
    browser.sign_in()

    assert browser.renew(id_token_hint=op.id_token(sub="nobody")).in_query["error"] == "login_required"


def test_a_hint_signs_nobody_in(op: Op, browser: Browser) -> None:
    hint = op.browser().sign_in()["id_token"]

    assert browser.renew(id_token_hint=hint).in_query["error"] == "login_required"
    assert browser.authorize(id_token_hint=hint).location.startswith("/login?")


@pytest.mark.spec("CO-04")
def test_an_expired_hint_is_accepted(op: Op, browser: Browser) -> None:
    hint = browser.sign_in()["id_token"]
    op.clock.advance(7200)

    assert "code" in browser.renew(id_token_hint=hint).in_query


@pytest.mark.spec("CO-04")
def test_a_hint_that_this_op_did_not_issue_is_refused(op: Op, browser: Browser) -> None:
    browser.sign_in()
    claims = {"iss": ISSUER, "sub": "x", "aud": "basic", "iat": op.clock(), "exp": op.clock() + 60}
    forged = jose.sign(claims, CLIENT_RSA_KEY, "RS256")

    assert browser.renew(id_token_hint=forged).in_query["error"] == "invalid_request"


def test_a_hint_of_another_client_is_refused(browser: Browser) -> None:
    hint = browser.sign_in("post")["id_token"]

    assert browser.renew("basic", id_token_hint=hint).in_query["error"] == "invalid_request"


def test_a_pairwise_hint_is_compared_with_the_pairwise_sub(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"] |= {"subject_type": "pairwise", "sector_id": "https://sector.example"}
    browser = op.browser()
    hint = browser.sign_in()["id_token"]

    assert op.claims(hint)["sub"] != op.claims(browser.sign_in("post")["id_token"])["sub"]
    assert "code" in browser.renew(id_token_hint=hint).in_query


# -- sessions and cookies ------------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-15")
def test_a_login_gives_a_session_cookie_that_was_not_there_before(op: Op, browser: Browser) -> None:
    planted = op.browser()
    planted.sign_in(login="bob")
    browser.jar = dict(planted.jar)

    browser.sign_in(login="alice")

    assert browser.jar["__Host-op_session"] != planted.jar["__Host-op_session"]
    assert browser.is_signed_in()
    assert not planted.is_signed_in()


@pytest.mark.spec("SEC-15")
def test_a_second_login_of_the_same_user_makes_the_old_cookie_worthless(op: Op, browser: Browser) -> None:
    browser.sign_in()
    copied = op.browser()
    copied.jar = dict(browser.jar)

    browser.sign_in()

    assert not copied.is_signed_in()
    assert browser.is_signed_in()


def test_another_user_in_the_same_browser_ends_the_session_before(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(login="alice")

    browser.sign_in(login="bob")

    assert op.userinfo(tokens["access_token"]).status == 401
    assert op.store.op_sessions_of_user("alice") == []


def test_the_session_cookie_is_kept_from_scripts_and_plain_http(browser: Browser) -> None:
    cookie = browser.authorize(login="alice").cookies["__Host-op_session"]

    assert "; HttpOnly" in cookie
    assert "; Secure" in cookie
    assert "; Path=/" in cookie
    assert "Domain" not in cookie


def test_a_renewal_sets_no_cookie(browser: Browser) -> None:
    browser.sign_in()

    assert browser.renew().cookies == {}


def test_pyoidcs_sso_cookie_is_never_set(browser: Browser, managed: Op, hardened: Op) -> None:
    managed_browser, hardened_browser = managed.browser(), hardened.browser()
    hardened_browser.use_pyoidc_login("alice")

    for answer in (
        browser.authorize(login="alice"),
        managed_browser.authorize(login="alice"),
        hardened_browser.authorize(),
    ):
        assert "code" in answer.in_query
        assert "pyoidc_sso" not in answer.cookies


def test_a_login_stands_although_the_request_that_it_was_made_for_fails(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"]["id_token_signed_response_alg"] = "HS512"
    op.clients["basic"]["client_secret"] = "too short"
    browser = op.browser()

    answer = browser.authorize(login="alice", response_type="code id_token")

    assert answer.in_fragment["error"] == "server_error"
    assert browser.is_signed_in("post")
    assert op.store.grant_ids("client_id", "basic", 10) == []


def test_a_session_takes_no_more_rps_than_it_may_hold(make_op: MakeOp) -> None:
    op = make_op(max_rp_sessions=1)
    browser = op.browser()
    browser.sign_in("basic")

    answer = browser.authorize("post")

    assert answer.status == 400
    assert "Location" not in dict(answer.headers)
    assert op.store.grant_ids("client_id", "post", 10) == []
    assert browser.is_signed_in("basic")


def test_offline_access_is_ignored_without_consent_and_without_a_code(op: Op, browser: Browser) -> None:
    asked: dict[str, Any] = {"scope": "openid offline_access", "login": "alice"}

    assert "refresh_token" not in browser.sign_in(scope="openid offline_access")
    assert browser.authorize(response_type="id_token token", prompt="consent", **asked).in_fragment["scope"] == "openid"
    assert "refresh_token" in browser.sign_in(scope="openid offline_access", prompt="consent")


def test_a_scope_that_is_not_known_is_left_out(browser: Browser) -> None:
    assert browser.sign_in(scope="openid email whatever")["scope"] == "openid email"


# -- the consent of an OP that asks ------------------------------------------------------------------------------------------


class AskingPolicy(OpPolicy):
    def consent_response(self, scope: RequestScope, context: AuthorizationContext, *_: Any) -> Response | None:
        answer = scope.answered.consent
        if answer == "allowed":
            return None
        if answer == "denied":
            raise AuthorizationError(context, "access_denied", "no")
        if "none" in context.prompt:
            raise AuthorizationError(context, "consent_required", "ask")
        return Response("may it?")


@pytest.mark.spec("OIDCC-3.1.2.4")
def test_consent_is_asked_before_anything_is_issued_and_can_be_denied(make_op: MakeOp) -> None:
    op = make_op(policy=AskingPolicy())
    browser = op.browser()
    request = urlencode(request_of())

    asked = browser.authorize(login="alice")
    silent = browser.renew()
    denied = browser.authorize_raw(request, answered=Answered(consent="denied"))
    issued_before = op.store.grant_ids("client_id", "basic", 10)
    allowed = browser.authorize_raw(request, answered=Answered(consent="allowed"))

    assert asked.body == "may it?"
    assert silent.in_query["error"] == "consent_required"
    assert denied.in_query["error"] == "access_denied"
    assert issued_before == []
    assert "code" in allowed.in_query


def test_an_authorization_endpoint_of_the_deployers_own_still_runs(make_op: MakeOp) -> None:
    seen = []

    class TheirOp(StockProvider):
        def authorization_endpoint(self, request: str = "", cookie: Any = None, **kwargs: Any) -> Any:
            seen.append(request)
            return super().authorization_endpoint(request, cookie, **kwargs)

    class Mixed(SessionManagementMixin, TheirOp):
        pass

    browser = make_op(provider=Mixed).browser()

    answer = browser.authorize(login="alice", claims='{"userinfo": {"email": null}}', prompt="login")

    assert "code" in answer.in_query
    assert len(seen) == 1
    assert "id_token_hint" not in seen[0]
    in_german: dict[str, Any] = {"max_age#de": "soon"}
    assert error_of(browser.authorize(**in_german)) == "invalid_request"

"""A login by pyoidc's own method: its cookie begins an OP session once, and is worth nothing afterwards."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from oic.utils.http_util import Unauthorized

from oic_session_ext.crypto.secret_ring import SecretRing
from tests.provider.conftest import ACR, Answer, LoginPage, MakeOp, Op, request_of


@pytest.fixture(params=["managed", "op"])
def any_op(request: pytest.FixtureRequest) -> Op:
    """Session management alone, and with the hardening."""
    return request.getfixturevalue(request.param)


def test_the_cookie_of_a_login_begins_an_op_session(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")

    answer = browser.authorize()

    assert "code" in answer.in_query
    assert "__Host-op_session" in answer.cookies
    assert [session.uid for session in any_op.store.op_sessions_of_user("alice")] == ["alice"]


def test_it_begins_one_session_and_not_another_at_the_next_request(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    browser.authorize()

    answer = browser.authorize()

    assert "code" in answer.in_query
    assert answer.cookies == {}


def test_the_login_says_when_and_how(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    any_op.clock.advance(30)

    claims = any_op.claims(any_op.redeem(browser.authorize().in_query["code"]).json["id_token"])

    assert claims["auth_time"] == any_op.clock() - 30
    assert claims["acr"] == ACR


def test_replayed_after_logout_it_signs_nobody_in(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    hint = any_op.redeem(browser.authorize().in_query["code"]).json["id_token"]

    browser.end_session(id_token_hint=hint)

    assert "pyoidc" in browser.jar
    assert browser.renew().in_query["error"] == "login_required"
    assert browser.authorize().location.startswith("/login?")
    assert browser.authorize(upm_answer="true").location.startswith("/login?")


def test_taken_to_another_browser_it_signs_nobody_in_there(any_op: Op) -> None:
    browser, thief = any_op.browser(), any_op.browser()
    thief.jar["pyoidc"] = browser.use_pyoidc_login("alice")
    browser.authorize()

    assert not thief.is_signed_in()


def test_made_with_an_older_or_newer_secret_it_is_believed_during_a_rotation(any_op: Op) -> None:
    browser, stranger = any_op.browser(), any_op.browser()
    value = browser.use_pyoidc_login("alice")
    stranger.jar["pyoidc"] = value

    any_op.provider.seed = any_op.ext.secrets.with_next().with_active([]).derive("another purpose")
    assert "code" in browser.authorize().in_query

    any_op.ext.secrets.replace_with(SecretRing([b"x" * 32]))
    any_op.clock.advance(1)
    assert not stranger.is_signed_in()


def spelled_otherwise(value: str) -> dict[str, str]:
    bare = value.strip('"')
    quoted = "".join(f"\\{ord(char):03o}" for char in bare)
    return {
        "quoted": f'pyoidc="{bare}"',
        "escaped": f'pyoidc="{quoted}"',
        "twice": f"pyoidc={value}; pyoidc={value}",
        "beside another": f"a=b; pyoidc={value}; c=d",
        "with spaces": f"  pyoidc={value}  ",
    }


@pytest.mark.parametrize("spelling", ["quoted", "escaped", "twice", "beside another", "with spaces"])
@pytest.mark.parametrize("symkey", [None, b"k" * 32], ids=["signed", "encrypted"])
def test_spelled_otherwise_it_is_still_the_same_ticket(any_op: Op, spelling: str, symkey: bytes | None) -> None:
    any_op.provider.symkey = symkey
    browser = any_op.browser()
    cookie = spelled_otherwise(browser.use_pyoidc_login("alice"))[spelling]
    browser.authorize()

    answer = Answer.of(any_op.provider.authorization_endpoint(urlencode(request_of(prompt="none")), cookie=cookie))

    assert answer.in_query["error"] == "login_required"


@pytest.mark.parametrize("age", [120, 3600, 1_600_000_000])
def test_an_old_one_signs_nobody_in(any_op: Op, age: int) -> None:
    browser = any_op.browser()
    now = any_op.clock.now
    any_op.clock.now -= age
    browser.use_pyoidc_login("alice")
    any_op.clock.now = now

    assert not browser.is_signed_in()


def test_it_is_good_for_its_lifetime(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    any_op.clock.advance(119)

    assert browser.is_signed_in()


def test_a_new_login_is_a_new_ticket(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    browser.authorize()
    assert browser.authorize(prompt="login").location.startswith("/login?")
    any_op.clock.advance(5)
    browser.use_pyoidc_login("alice")

    answer = browser.authorize(prompt="login", upm_answer="true")

    assert any_op.claims(any_op.redeem(answer.in_query["code"]).json["id_token"])["auth_time"] == any_op.clock()
    assert browser.authorize(prompt="login", upm_answer="true").location.startswith("/login?")


def test_a_login_of_somebody_else_ends_the_session_before(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    browser.authorize()
    any_op.clock.advance(5)
    browser.use_pyoidc_login("bob")
    browser.authorize()

    assert any_op.store.op_sessions_of_user("alice") == []
    assert len(any_op.store.op_sessions_of_user("bob")) == 1


def test_an_older_ticket_does_not_turn_back_a_later_login(any_op: Op) -> None:
    browser = any_op.browser()
    older = browser.use_pyoidc_login("alice")
    any_op.clock.advance(5)
    browser.use_pyoidc_login("alice")
    browser.authorize()
    browser.jar["pyoidc"] = older

    answer = browser.authorize()

    assert any_op.claims(any_op.redeem(answer.in_query["code"]).json["id_token"])["auth_time"] == any_op.clock()


@pytest.mark.parametrize(
    "cookie",
    [
        "pyoidc=alice::1700000000::upm|1700000000|0000",
        "pyoidc=a|b|c|d",
        "pyoidc=a|b|c",
        "pyoidc=",
        'pyoidc="',
        "pyoidc=é",
        "a/b=1; pyoidc=x",
        "a,b=1",
        "=",
        ";;;",
        "x" * 20_000,
    ],
)
def test_a_cookie_that_is_none_of_ours_is_nobody(any_op: Op, cookie: str) -> None:
    answer = Answer.of(any_op.provider.authorization_endpoint(urlencode(request_of(prompt="none")), cookie=cookie))

    assert answer.in_query["error"] == "login_required"


def test_a_request_that_claims_to_be_answered_can_still_be_answered(any_op: Op) -> None:
    browser = any_op.browser()

    asked = browser.authorize(upm_answer="true", prompt="login")

    assert asked.location.startswith("/login?")
    assert "upm_answer" not in asked.in_query


def test_what_a_method_answers_to_sign_in_is_sent_as_it_is(make_op: MakeOp) -> None:
    op = make_op()

    class Challenge(LoginPage):
        def __call__(self, **_: Any) -> Any:  # type: ignore[override]  # whatever pyoidc hands over
            return Unauthorized("who are you?", headers=[("WWW-Authenticate", "Negotiate")])

    op.provider.authn_broker.db["info"]["1"]["method"] = Challenge()

    answer = op.browser().authorize()

    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == "Negotiate"


def test_login_hint_and_id_token_hint_reach_the_login_page(any_op: Op) -> None:
    browser = any_op.browser()
    browser.use_pyoidc_login("alice")
    hint = any_op.redeem(browser.authorize().in_query["code"]).json["id_token"]

    asked = browser.authorize(prompt="login", login_hint="alice@example.com", id_token_hint=hint).in_query

    assert asked["login_hint"] == "alice@example.com"
    assert asked["id_token_hint"] == hint

"""The userinfo endpoint: claims for a good access token, a challenge for everything else."""

from __future__ import annotations

import json

import pytest

from oic_session_ext import jose

from .conftest import Answer

OFFLINE = {"scope": "openid offline_access", "prompt": "consent"}


def ask(op, body="", authn=None):
    return Answer.of(op.provider.userinfo_endpoint(body, authn=authn))


def test_the_claims_of_the_scopes_are_told(op, browser):
    tokens = browser.sign_in(scope="openid profile email")

    answer = op.userinfo(tokens["access_token"])

    assert answer.status == 200
    assert answer.json == {"sub": op.claims(tokens["id_token"])["sub"], "name": "Alice", "email": "alice@example.com"}
    assert answer.header("Cache-Control") == "no-store"


def test_claims_that_were_asked_for_by_name_are_told(op, browser):
    tokens = browser.sign_in(claims=json.dumps({"userinfo": {"email": {"essential": True}}}))

    assert op.userinfo(tokens["access_token"]).json["email"] == "alice@example.com"


def test_the_token_may_come_in_the_form(op, browser):
    token = browser.sign_in()["access_token"]

    assert ask(op, f"access_token={token}").status == 200
    assert ask(op, authn=f"bearer {token}").status == 200


@pytest.mark.parametrize("authn", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer x", "Bearer é", "Bearer " + "A" * 5000])
def test_without_a_good_token_the_answer_is_a_challenge(op, authn):
    answer = ask(op, authn=authn)

    assert answer.status == 401
    assert answer.error == "invalid_token"
    assert answer.header("WWW-Authenticate").startswith("Bearer ")


@pytest.mark.parametrize("body", ["access_token=a&access_token=b", "access_token=%ff", "a=%00"])
def test_a_body_that_cannot_be_read_is_refused(op, body):
    assert ask(op, body).status == 400


def test_a_token_in_two_ways_is_refused(op, browser):
    token = browser.sign_in()["access_token"]

    assert ask(op, f"access_token={token}", f"Bearer {token}").status == 400


def test_a_code_an_id_token_and_a_refresh_token_open_nothing(op, browser):
    code = browser.authorize(login="alice").in_query["code"]
    tokens = browser.sign_in(**OFFLINE)

    for wrong in (code, tokens["id_token"], tokens["refresh_token"]):
        assert op.userinfo(wrong).status == 401
    assert op.redeem(code).status == 200


def test_an_access_token_ends_after_its_lifetime(op, browser):
    token = browser.sign_in()["access_token"]

    op.clock.advance(3599)
    assert op.userinfo(token).status == 200
    op.clock.advance(1)
    assert op.userinfo(token).status == 401


def test_an_access_token_outlives_a_sweep_as_long_as_it_is_good(op, browser):
    code = browser.authorize(login="alice").in_query["code"]
    op.clock.advance(59)
    token = op.redeem(code).json["access_token"]

    op.clock.advance(3599)
    op.store.sweep(op.clock(), 100)

    assert op.userinfo(token).status == 200


def test_the_token_of_a_client_that_is_gone_opens_nothing(op, browser):
    token = browser.sign_in()["access_token"]

    del op.clients["basic"]

    assert op.userinfo(token).status == 401


def test_a_claim_asked_for_another_user_is_refused(op, browser):
    tokens = browser.sign_in(claims=json.dumps({"userinfo": {"sub": {"value": "somebody else"}}}))

    assert op.userinfo(tokens["access_token"]).status == 401


def test_userinfo_is_signed_for_a_client_that_wants_it(make_op):
    op = make_op()
    op.clients["basic"]["userinfo_signed_response_alg"] = "RS256"
    tokens = op.browser().sign_in(scope="openid email")

    answer = op.userinfo(tokens["access_token"])

    assert answer.header("Content-Type") == "application/jwt"
    assert jose.verify(answer.body, op.provider.issuer_keys(), {"RS256"}).claims["email"] == "alice@example.com"


def test_a_users_script_is_sent_as_data(op, browser):
    op.provider.userinfo = lambda *_: {"name": "<script>"}
    token = browser.sign_in(scope="openid profile")["access_token"]

    assert op.userinfo(token).header("Content-Type") == "application/json"


@pytest.mark.spec("SM-14")
def test_userinfo_sets_no_cookie(op, browser):
    assert op.userinfo(browser.sign_in()["access_token"]).cookies == {}

"""The userinfo endpoint: claims for a good access token, a challenge for everything else."""

from __future__ import annotations

import json

import pytest

from oic_session_ext.crypto import jose
from tests.provider.conftest import CLIENT_JWKS, ISSUER, SECRET, Answer, Browser, MakeOp, Op, public_part

OFFLINE = {"scope": "openid offline_access", "prompt": "consent"}


def ask(op: Op, body: str = "", authn: str | None = None) -> Answer:
    return Answer.of(op.provider.userinfo_endpoint(body, authn=authn))


def test_the_claims_of_the_scopes_are_told(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(scope="openid profile email")

    answer = op.userinfo(tokens["access_token"])

    assert answer.status == 200
    assert answer.json == {"sub": op.claims(tokens["id_token"])["sub"], "name": "Alice", "email": "alice@example.com"}
    assert answer.header("Cache-Control") == "no-store"


def test_claims_that_were_asked_for_by_name_are_told(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(claims=json.dumps({"userinfo": {"email": {"essential": True}}}))

    assert op.userinfo(tokens["access_token"]).json["email"] == "alice@example.com"


@pytest.mark.spec("OIDCC-5.3.1")
def test_the_token_may_come_in_the_form(op: Op, browser: Browser) -> None:
    token = browser.sign_in()["access_token"]

    assert ask(op, f"access_token={token}").status == 200
    assert ask(op, authn=f"bearer {token}").status == 200


REALM = f'Bearer realm="{ISSUER}"'


@pytest.mark.parametrize("authn", [None, "", "Bearer", "Bearer ", "Basic abc", "Basic", "x"])
def test_rfc6750_3_1_without_any_token_the_challenge_names_no_error(op: Op, authn: str | None) -> None:
    answer = ask(op, authn=authn)

    assert (answer.status, answer.error) == (401, "invalid_token")
    assert answer.header("WWW-Authenticate") == REALM


@pytest.mark.parametrize("authn", ["Bearer x", "Bearer é", "Bearer a b", "bearer x", "Bearer " + "A" * 5000])
def test_rfc6750_3_1_with_a_token_that_is_none_the_challenge_says_so(op: Op, authn: str) -> None:
    answer = ask(op, authn=authn)

    assert (answer.status, answer.error) == (401, "invalid_token")
    assert (answer.header("WWW-Authenticate") or "").startswith(f'{REALM}, error="invalid_token", ')
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.spec("SID-12", "RI-50")
def test_the_token_of_an_ended_session_gets_a_challenge(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in()
    browser.end_session(id_token_hint=tokens["id_token"])

    for answer in (op.userinfo(tokens["access_token"]), ask(op, f"access_token={tokens['access_token']}")):
        assert (answer.status, answer.error) == (401, "invalid_token")
        assert (answer.header("WWW-Authenticate") or "").startswith(f'{REALM}, error="invalid_token", ')


@pytest.mark.parametrize("body", ["access_token=a&access_token=b", "access_token=%ff", "a=%00"])
def test_a_body_that_cannot_be_read_is_refused(op: Op, body: str) -> None:
    answer = ask(op, body)

    assert (answer.status, answer.error) == (400, "invalid_request")
    assert 'error="invalid_request"' in (answer.header("WWW-Authenticate") or "")


def test_a_token_in_two_ways_is_refused(op: Op, browser: Browser) -> None:
    token = browser.sign_in()["access_token"]

    for authn in (f"Bearer {token}", "Basic abc"):
        answer = ask(op, f"access_token={token}", authn)
        assert (answer.status, answer.error) == (400, "invalid_request")
        assert 'error="invalid_request"' in (answer.header("WWW-Authenticate") or "")


def test_a_code_an_id_token_and_a_refresh_token_open_nothing(op: Op, browser: Browser) -> None:
    code = browser.authorize(login="alice").in_query["code"]
    tokens = browser.sign_in(**OFFLINE)

    for wrong in (code, tokens["id_token"], tokens["refresh_token"]):
        answer = op.userinfo(wrong)
        assert answer.status == 401
        assert 'error="invalid_token"' in (answer.header("WWW-Authenticate") or "")
    assert op.redeem(code).status == 200


def test_an_access_token_ends_after_its_lifetime(op: Op, browser: Browser) -> None:
    token = browser.sign_in()["access_token"]

    op.clock.advance(3599)
    assert op.userinfo(token).status == 200
    op.clock.advance(1)
    answer = op.userinfo(token)
    assert answer.status == 401
    assert 'error="invalid_token"' in (answer.header("WWW-Authenticate") or "")


def test_an_access_token_outlives_a_sweep_as_long_as_it_is_good(op: Op, browser: Browser) -> None:
    code = browser.authorize(login="alice").in_query["code"]
    op.clock.advance(59)
    token = op.redeem(code).json["access_token"]

    op.clock.advance(3599)
    op.store.sweep(op.clock(), 100)

    assert op.userinfo(token).status == 200


def test_the_token_of_a_client_that_is_gone_opens_nothing(op: Op, browser: Browser) -> None:
    token = browser.sign_in()["access_token"]

    del op.clients["basic"]

    assert op.userinfo(token).status == 401


def test_claims_of_a_sub_that_the_client_does_not_know_the_user_by_any_more_are_refused(op: Op, browser: Browser) -> None:
    sub = op.claims(browser.sign_in()["id_token"])["sub"]
    tokens = browser.sign_in(claims=json.dumps({"userinfo": {"sub": {"value": sub}}}))
    grants = {one: op.store.grant(one) for one in op.store.grant_ids("client_id", "basic", 10)}
    (grant_id,) = (one for one, grant in grants.items() if grant is not None and "claims" in grant.data["authzreq"])

    assert op.userinfo(tokens["access_token"]).status == 200
    op.provider.sdb.update(grant_id, "sub", "another")
    assert op.userinfo(tokens["access_token"]).status == 401


@pytest.mark.spec("OIDCC-5.3.2")
def test_userinfo_is_signed_for_a_client_that_wants_it(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"]["userinfo_signed_response_alg"] = "RS256"
    tokens = op.browser().sign_in(scope="openid email")

    answer = op.userinfo(tokens["access_token"])

    assert answer.header("Content-Type") == "application/jwt"
    claims = jose.verify(answer.body, op.ext.issuer_keys(), {"RS256"}).claims
    assert claims["email"] == "alice@example.com"
    assert (claims["iss"], claims["aud"]) == (ISSUER, "basic")


def test_userinfo_is_signed_with_the_clients_secret_for_a_client_that_wants_it(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"]["userinfo_signed_response_alg"] = "HS256"
    answer = op.userinfo(op.browser().sign_in()["access_token"])

    assert jose.verify(answer.body, [jose.mac_key(SECRET, "HS256")], {"HS256"}).claims["iss"] == ISSUER


@pytest.mark.parametrize("alg", ["none", "PS999", "HS512"])
def test_userinfo_that_cannot_be_signed_as_registered_is_refused(make_op: MakeOp, alg: str) -> None:
    op = make_op()
    op.clients["public"]["userinfo_signed_response_alg"] = alg

    answer = op.userinfo(op.browser().sign_in("public")["access_token"])

    assert (answer.status, answer.error) == (400, "invalid_request")


@pytest.mark.spec("OIDCC-5.3.2")
@pytest.mark.parametrize("signed", [False, True])
def test_userinfo_is_encrypted_for_a_client_that_wants_it(make_op: MakeOp, signed: bool) -> None:
    op = make_op()
    key = {name: value for name, value in CLIENT_JWKS["keys"][0].items() if name not in ("use", "alg")}
    op.clients["post"] |= {"jwks": {"keys": [public_part(key)]}, "userinfo_encrypted_response_alg": "RSA-OAEP"}
    op.clients["post"]["userinfo_encrypted_response_enc"] = "A128GCM"
    if signed:
        op.clients["post"]["userinfo_signed_response_alg"] = "RS256"

    answer = op.userinfo(op.browser().sign_in("post")["access_token"])

    assert answer.header("Content-Type") == "application/jwt"
    inside = jose.decrypt(answer.body, [jose.import_key(key)], {"RSA-OAEP"}, {"A128GCM"})
    told = jose.verify(inside, op.ext.issuer_keys(), {"RS256"}).claims if signed else json.loads(inside)
    assert told["sub"]


def test_a_users_script_is_sent_as_data(op: Op, browser: Browser) -> None:
    op.provider.userinfo = lambda *_: {"name": "<script>"}
    token = browser.sign_in(scope="openid profile")["access_token"]

    assert op.userinfo(token).header("Content-Type") == "application/json"


@pytest.mark.spec("SM-14")
def test_userinfo_sets_no_cookie(op: Op, browser: Browser) -> None:
    assert op.userinfo(browser.sign_in()["access_token"]).cookies == {}


def test_a_fault_of_the_ops_own_is_not_taken_for_a_bad_token(op: Op, managed: Op, hardened: Op) -> None:
    """Whoever looks users up in a dict raises `KeyError` too."""
    for one in (op, managed, hardened):
        browser = one.browser()
        browser.use_pyoidc_login("alice")
        token = one.redeem(browser.authorize().in_query["code"]).json["access_token"]
        one.provider.userinfo = lambda *_: dict[str, str]()["no such user"]

        with pytest.raises(KeyError, match="no such user"):
            one.userinfo(token)


def test_managed_the_token_of_an_ended_session_gets_a_challenge(managed: Op) -> None:
    browser = managed.browser()
    browser.use_pyoidc_login("alice")
    tokens = managed.redeem(browser.authorize().in_query["code"]).json
    browser.end_session(id_token_hint=tokens["id_token"])

    answer = managed.userinfo(tokens["access_token"])

    assert (answer.status, answer.error) == (401, "invalid_token")
    assert (answer.header("WWW-Authenticate") or "").startswith(f'{REALM}, error="invalid_token", ')

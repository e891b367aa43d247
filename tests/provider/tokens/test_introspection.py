"""The introspection endpoint: a client learns of its own tokens, a resource server of access tokens, nobody of more (RFC 7662)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.provider.conftest import ISSUER, SECRET, Answer, MakeOp, Op, basic_auth
from tests.provider.tokens.test_revocation import counted

OFFLINE: dict[str, Any] = {"scope": "openid email offline_access", "prompt": "consent"}
BASIC = basic_auth("basic", SECRET)
INACTIVE = {"active": False}


def introspect(op: Op, token: str | None, authn: str | None = BASIC, **params: str) -> Answer:
    form = params if token is None else {"token": token} | params
    return Answer.of(op.ext.introspection.answer(urlencode(form), authn=authn))


def test_rfc7662_2_2_an_access_token_that_is_good(op: Op) -> None:
    tokens = op.browser().sign_in(scope="openid email")
    op.clock.advance(10)

    answer = introspect(op, tokens["access_token"])

    assert answer.status == 200
    assert answer.header("Cache-Control") == "no-store"
    assert answer.json == {
        "active": True,
        "iss": ISSUER,
        "aud": ISSUER,
        "client_id": "basic",
        "sub": op.claims(tokens["id_token"])["sub"],
        "scope": "openid email",
        "token_type": "Bearer",
        "iat": op.clock() - 10,
        "exp": op.clock() - 10 + 3600,
    }


def test_a_refresh_token_that_is_good_is_no_bearer_token(op: Op) -> None:
    told = introspect(op, op.browser().sign_in(**OFFLINE)["refresh_token"]).json

    assert told["active"] is True
    assert told["exp"] == op.clock() + 30 * 86400
    assert {"token_type", "aud"} & told.keys() == set()


def test_a_narrowed_access_token_has_its_own_scope(op: Op) -> None:
    narrow = op.refresh(op.browser().sign_in(**OFFLINE)["refresh_token"], scope="email").json

    assert introspect(op, narrow["access_token"]).json["scope"] == "email"


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "x"])
def test_rfc7662_2_1_a_hint_changes_nothing(op: Op, hint: str) -> None:
    assert introspect(op, op.browser().sign_in()["access_token"], token_type_hint=hint).json["active"] is True


@pytest.mark.parametrize("token", ["x", "é", "A" * 44, "A" * 5000, "a.b.c"], ids=lambda token: token[:5])
def test_rfc7662_2_2_of_what_is_no_token_nothing_is_told(op: Op, token: str) -> None:
    answer = introspect(op, token)

    assert (answer.status, answer.json) == (200, INACTIVE)


def test_rfc7662_2_2_of_a_token_that_is_good_no_more_nothing_is_told(op: Op) -> None:
    browser = op.browser()
    ended, rotated, expired = browser.sign_in(), browser.sign_in(**OFFLINE), op.browser().sign_in()
    op.refresh(rotated["refresh_token"])
    browser.end_session(id_token_hint=ended["id_token"])
    assert introspect(op, ended["access_token"]).json == INACTIVE
    assert introspect(op, rotated["refresh_token"]).json == INACTIVE

    op.clock.advance(3600)

    assert introspect(op, expired["access_token"]).json == INACTIVE


def test_to_ask_about_a_spent_refresh_token_ends_nothing(op: Op) -> None:
    first = op.browser().sign_in(**OFFLINE)["refresh_token"]
    second = op.refresh(first).json["refresh_token"]

    introspect(op, first)

    assert op.refresh(second).status == 200


@pytest.mark.spec("SID-10")
def test_a_refresh_token_of_a_session_whose_time_is_over_is_not_good(make_op: MakeOp) -> None:
    op = make_op(refresh_without_offline_access=True, idle_timeout_s=600)
    op.clients["basic"]["grant_types"] = ["authorization_code", "refresh_token"]
    token = op.browser().sign_in()["refresh_token"]
    assert introspect(op, token).json["active"] is True

    op.clock.advance(600)

    assert introspect(op, token).json == INACTIVE


def test_codes_and_id_tokens_are_none(op: Op) -> None:
    code = op.browser().authorize(login="alice").in_query["code"]

    assert introspect(op, code).json == INACTIVE
    assert introspect(op, op.browser().sign_in()["id_token"]).json == INACTIVE
    assert op.redeem(code).status == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_of_another_clients_token_nothing_is_told(op: Op, kind: str) -> None:
    tokens = op.browser().sign_in("post", **OFFLINE)

    answer = introspect(op, tokens[kind])

    assert (answer.status, answer.headers, answer.body) == (200, introspect(op, "x").headers, introspect(op, "x").body)


def test_a_resource_server_is_told_of_any_access_token_and_of_no_refresh_token(op: Op) -> None:
    op.clients["basic"]["introspection"] = "any"
    tokens = op.browser().sign_in("public", **OFFLINE)

    told = introspect(op, tokens["access_token"]).json

    assert (told["active"], told["client_id"], told["sub"]) == (True, "public", op.claims(tokens["id_token"])["sub"])
    assert introspect(op, tokens["refresh_token"]).json == INACTIVE


@pytest.mark.parametrize("introspection", ["own", "any"])
def test_rfc7662_2_1_a_public_client_is_told_nothing(op: Op, introspection: str) -> None:
    op.clients["public"]["introspection"] = introspection
    token = op.browser().sign_in("public")["access_token"]

    answer = introspect(op, token, None, client_id="public")

    assert (answer.status, answer.error) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("authn", "params"),
    [(None, {}), (None, {"client_id": "basic"}), (basic_auth("basic", "wrong"), {}), (BASIC, {"client_id": "post"}), ("Bearer x", {})],
    ids=["nobody", "no proof", "wrong password", "another's name", "a bearer token"],
)
def test_rfc7662_2_3_who_does_not_prove_to_be_a_client_is_refused(op: Op, authn: str | None, params: dict[str, str]) -> None:
    answer = introspect(op, op.browser().sign_in()["access_token"], authn, **params)

    assert (answer.status, answer.error) == (401, "invalid_client")
    assert answer.header("WWW-Authenticate")
    assert "active" not in answer.json


@pytest.mark.parametrize("body", ["", "token=", "token=a&token=b", "token=%00"], ids=range(4))
def test_a_request_that_cannot_be_read_is_refused(op: Op, body: str) -> None:
    answer = Answer.of(op.ext.introspection.answer(body, authn=BASIC))

    assert (answer.status, answer.error) == (400, "invalid_request")


def test_hardened_tells_of_pyoidcs_own_tokens(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    tokens = hardened.redeem(browser.authorize(**OFFLINE).in_query["code"]).json
    hardened.refresh(tokens["refresh_token"])

    told = introspect(hardened, tokens["access_token"]).json
    assert (told["active"], told["client_id"], told["exp"] - told["iat"]) == (True, "basic", hardened.provider.sdb.access_token.lifetime)
    assert introspect(hardened, tokens["refresh_token"]).json == INACTIVE


def test_one_read_and_no_commit(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = op.browser().sign_in()
    asked = counted(op, monkeypatch)

    introspect(op, tokens["access_token"])

    assert asked == ["grant"]


def test_discovery_names_the_endpoint_where_it_is_mounted_alone(op: Op) -> None:
    assert "introspection_endpoint" not in op.provider.create_providerinfo().to_dict()

    op.ext.policy.offers_introspection = True

    info = op.provider.create_providerinfo().to_dict()
    assert info["introspection_endpoint"] == f"{ISSUER}/introspection"
    assert "none" not in info["introspection_endpoint_auth_methods_supported"]
    assert info["introspection_endpoint_auth_signing_alg_values_supported"]

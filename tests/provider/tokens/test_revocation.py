"""The revocation endpoint: what a client gives back is dead, what is another's is not touched (RFC 7009)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from oic_session_ext.crypto import jose
from tests.provider.conftest import CLIENT_RSA_KEY, ISSUER, SECRET, Answer, Op, basic_auth

OFFLINE: dict[str, Any] = {"scope": "openid offline_access", "prompt": "consent"}
BASIC = basic_auth("basic", SECRET)


def revoke(op: Op, token: str | None, authn: str | None = BASIC, **params: str) -> Answer:
    form = params if token is None else {"token": token} | params
    return Answer.of(op.ext.revocation.answer(urlencode(form), authn=authn))


def is_alive(op: Op, tokens: dict[str, Any], client_id: str = "basic") -> tuple[bool, bool]:
    """Whether the access token and the refresh token are good; the refresh token is spent by asking."""
    return op.userinfo(tokens["access_token"]).status == 200, op.refresh(tokens["refresh_token"], client_id).status == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "something_else"])
def test_rfc7009_2_1_either_token_ends_the_whole_grant_whatever_the_hint(op: Op, kind: str, hint: str | None) -> None:
    tokens = op.browser().sign_in(**OFFLINE)

    answer = revoke(op, tokens[kind], **({"token_type_hint": hint} if hint else {}))

    assert (answer.status, answer.body) == (200, "")
    assert answer.header("Cache-Control") == "no-store"
    assert is_alive(op, tokens) == (False, False)


def test_the_op_session_and_the_clients_other_grants_live_on(op: Op) -> None:
    browser = op.browser()
    revoked, other = browser.sign_in(**OFFLINE), browser.sign_in(**OFFLINE)

    revoke(op, revoked["refresh_token"])

    assert browser.is_signed_in()
    assert is_alive(op, other) == (True, True)


def test_rfc7009_2_1_a_public_client_names_itself(op: Op) -> None:
    tokens = op.browser().sign_in("public", **OFFLINE)

    assert revoke(op, tokens["refresh_token"], None, client_id="public").status == 200

    assert is_alive(op, tokens, "public") == (False, False)


def test_a_client_that_signs_may_address_its_assertion_to_this_endpoint(op: Op) -> None:
    now = op.clock()
    claims = {"iss": "keyed", "sub": "keyed", "aud": f"{ISSUER}/revocation", "jti": "1", "iat": now, "exp": now + 60}
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jose.sign(claims, CLIENT_RSA_KEY, "RS256"),
    }

    assert revoke(op, "x", None, **proof).status == 200
    assert revoke(op, "x", None, **proof).error == "invalid_client"


def test_a_rotated_away_refresh_token_ends_the_grant_too(op: Op) -> None:
    tokens = op.browser().sign_in(**OFFLINE)
    renewed = op.refresh(tokens["refresh_token"]).json

    assert revoke(op, tokens["refresh_token"]).status == 200

    assert is_alive(op, renewed) == (False, False)


@pytest.mark.parametrize("token", ["x", "é", "A" * 44, "A" * 5000, "a.b.c", " "], ids=lambda token: token[:6])
def test_rfc7009_2_2_what_is_no_token_is_answered_200(op: Op, token: str) -> None:
    assert revoke(op, token).status == 200


def test_rfc7009_2_2_what_is_revoked_already_or_ended_is_answered_200(op: Op) -> None:
    browser = op.browser()
    revoked, ended = browser.sign_in(**OFFLINE), browser.sign_in()
    revoke(op, revoked["refresh_token"])
    browser.end_session(id_token_hint=ended["id_token"])

    assert [revoke(op, token).status for token in (revoked["refresh_token"], revoked["access_token"], ended["access_token"])] == [200] * 3


def test_a_code_and_an_id_token_revoke_nothing(op: Op) -> None:
    code = op.browser().authorize(login="alice").in_query["code"]
    tokens = op.browser().sign_in(**OFFLINE)

    assert [revoke(op, token).status for token in (code, tokens["id_token"])] == [200, 200]

    assert op.redeem(code).status == 200
    assert is_alive(op, tokens) == (True, True)


def test_an_expired_access_token_revokes_nothing(op: Op) -> None:
    tokens = op.browser().sign_in(**OFFLINE)
    op.clock.advance(3600)

    assert revoke(op, tokens["access_token"]).status == 200

    assert op.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("who", ["confidential", "public"])
def test_rfc7009_2_1_another_clients_token_is_refused_and_stays_good(op: Op, kind: str, who: str) -> None:
    tokens = op.browser().sign_in("post", **OFFLINE)

    answer = revoke(op, tokens[kind]) if who == "confidential" else revoke(op, tokens[kind], None, client_id="public")

    assert (answer.status, answer.error) == (400, "invalid_grant")
    assert is_alive(op, tokens, "post") == (True, True)


@pytest.mark.parametrize(
    ("authn", "params"),
    [
        (None, {}),
        (None, {"client_id": "basic"}),
        (None, {"client_id": "nobody"}),
        (None, {"client_id": "post", "client_secret": "wrong"}),
        (basic_auth("basic", "wrong"), {}),
        (BASIC, {"client_id": "post"}),
        ("Bearer x", {}),
    ],
    ids=["nobody", "no proof", "unknown", "wrong secret", "wrong password", "another's name", "a bearer token"],
)
def test_rfc7009_2_1_who_does_not_prove_to_be_the_client_is_refused(op: Op, authn: str | None, params: dict[str, str]) -> None:
    tokens = op.browser().sign_in(**OFFLINE)

    answer = revoke(op, tokens["refresh_token"], authn, **params)

    assert (answer.status, answer.error) == (401, "invalid_client")
    assert answer.header("WWW-Authenticate")
    assert is_alive(op, tokens) == (True, True)


@pytest.mark.parametrize("body", ["", "token=", "token=a&token=b", "token=%00", "token=%ff", "token=" + "a" * 70_000], ids=range(6))
def test_a_request_that_cannot_be_read_is_refused(op: Op, body: str) -> None:
    answer = Answer.of(op.ext.revocation.answer(body, authn=BASIC))

    assert (answer.status, answer.error) == (400, "invalid_request")


def test_hardened_revokes_with_pyoidcs_own_token_classes(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    tokens = hardened.redeem(browser.authorize(**OFFLINE).in_query["code"]).json

    assert revoke(hardened, tokens["refresh_token"]).status == 200

    assert is_alive(hardened, tokens) == (False, False)


def test_one_read_and_one_commit(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = op.browser().sign_in(**OFFLINE)
    asked = counted(op, monkeypatch)

    revoke(op, tokens["refresh_token"])

    assert asked == ["grant", "commit"]


def counted(op: Op, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what the store is asked from now on."""
    asked: list[str] = []

    def count(name: str) -> None:
        real = getattr(op.store, name)
        monkeypatch.setattr(op.store, name, lambda *args: (asked.append(name), real(*args))[1])

    for name in ("grant", "commit", "op_session", "client", "ephemeral"):
        count(name)
    return asked


def test_discovery_names_the_endpoint_where_it_is_mounted_alone(op: Op) -> None:
    assert "revocation_endpoint" not in op.provider.create_providerinfo().to_dict()

    op.ext.policy.offers_revocation = True

    info = op.provider.create_providerinfo().to_dict()
    assert info["revocation_endpoint"] == f"{ISSUER}/revocation"
    assert info["revocation_endpoint_auth_methods_supported"] == info["token_endpoint_auth_methods_supported"]
    assert info["revocation_endpoint_auth_signing_alg_values_supported"]

"""Who is the client? Every way of proving it, and every way of pretending."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.provider import Provider
from tests.provider.conftest import CLIENT_JWKS, CLIENT_RSA_KEY, ISSUER, JWKS, REDIRECT_URIS, SECRET, Browser, MakeOp, Op, basic_auth

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Known clients are told apart by the code being looked at: without a good one, what follows authentication is this.
PASSED = "invalid_grant"


def attempt(op: Op, authn: str | None = None, **params: str) -> str | None:
    answer = op.token({"grant_type": "authorization_code", "code": "none", "redirect_uri": "x"} | params, authn)
    if answer.error == "invalid_client":
        assert answer.status == 401
        assert answer.header("WWW-Authenticate")
    return answer.error


def test_basic_credentials_pass(op: Op) -> None:
    assert attempt(op, basic_auth("basic", SECRET)) == PASSED
    assert attempt(op, basic_auth("basic", SECRET).replace("Basic", "bAsIc")) == PASSED
    assert attempt(op, basic_auth("basic", SECRET), client_id="basic") == PASSED


def test_basic_credentials_are_form_encoded_inside(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["a:b c"] = op.clients["basic"] | {"client_id": "a:b c", "client_secret": "s%:+/=é" * 6}

    assert attempt(op, basic_auth("a%3Ab+c", "s%25%3A%2B%2F%3D%C3%A9" * 6)) == PASSED
    assert attempt(op, basic_auth("a:b c", "s%:+/=é" * 6)) == "invalid_client"


def test_a_secret_in_the_form_passes(op: Op) -> None:
    assert attempt(op, client_id="post", client_secret=SECRET[::-1]) == PASSED


def test_a_public_client_names_itself(op: Op) -> None:
    assert attempt(op, client_id="public") == PASSED


@pytest.mark.parametrize(
    ("authn", "params"),
    [
        (basic_auth("basic", "wrong"), {}),
        (basic_auth("basic", ""), {}),
        (basic_auth("nobody", SECRET), {}),
        (basic_auth("", ""), {}),
        (basic_auth("public", ""), {}),
        (basic_auth("post", SECRET[::-1]), {}),
        (basic_auth("keyed", "k" * 40), {}),
        ("Basic", {}),
        ("Basic !!!", {}),
        ("Basic " + base64.b64encode(b"nocolon").decode(), {}),
        ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), {}),
        ("Bearer abc", {}),
        ("Negotiate abc", {"client_id": "public"}),
        (basic_auth("basic", SECRET), {"client_id": "post"}),
        (basic_auth("basic", SECRET), {"client_id": ""}),
        (None, {}),
        (None, {"client_id": ""}),
        (None, {"client_id": "nobody"}),
        (None, {"client_id": "basic"}),
        (None, {"client_id": "basic", "client_secret": SECRET}),
        (None, {"client_id": "post"}),
        (None, {"client_id": "post", "client_secret": ""}),
        (None, {"client_id": "post", "client_secret": "wrong"}),
        (None, {"client_id": "post", "client_secret": "é"}),
        (None, {"client_id": "public", "client_secret": "x"}),
        (None, {"client_secret": SECRET[::-1]}),
        (None, {"client_assertion": "x"}),
        (None, {"client_assertion": "x", "client_assertion_type": "urn:x"}),
        (None, {"client_assertion": "a.b.c", "client_assertion_type": JWT_BEARER}),
    ],
)
def test_everything_else_is_refused(op: Op, authn: str | None, params: dict[str, str]) -> None:
    assert attempt(op, authn, **params) == "invalid_client"


@pytest.mark.parametrize(
    ("authn", "params"),
    [
        (basic_auth("basic", SECRET), {"client_secret": SECRET}),
        (basic_auth("basic", SECRET), {"client_assertion": "x"}),
        (None, {"client_id": "post", "client_secret": SECRET[::-1], "client_assertion": "x"}),
    ],
)
def test_two_ways_in_one_request_are_refused(op: Op, authn: str | None, params: dict[str, str]) -> None:
    assert attempt(op, authn, **params) == "invalid_request"


def test_the_challenge_names_the_scheme_that_was_tried(op: Op) -> None:
    tried = [op.token({"grant_type": "x"}, authn) for authn in (basic_auth("basic", "wrong"), "Bearer x", "Digest x")]

    assert [(answer.header("WWW-Authenticate") or "").split()[0] for answer in tried] == ["Basic", "Bearer", "Basic"]


@pytest.mark.parametrize("params", [{"client_secret": "wrong"}, {}, {"client_assertion": "x"}], ids=str)
def test_the_challenge_names_basic_to_a_client_that_tried_no_scheme(op: Op, params: dict[str, str]) -> None:
    answer = op.token({"grant_type": "x", "client_id": "post"} | params)

    assert answer.header("WWW-Authenticate") == f'Basic realm="{ISSUER}"'


def test_every_refusal_reads_the_same(op: Op) -> None:
    wrong, unknown = op.token({"grant_type": "x"}, basic_auth("basic", "wrong")), op.token({"grant_type": "x"}, basic_auth("nobody", "x"))

    assert wrong.body == unknown.body


def test_no_secret_is_logged(op: Op, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    attempt(op, basic_auth("basic", "a-wrong-secret"))
    attempt(op, basic_auth("basic", SECRET))
    attempt(op, client_id="post", client_secret="another-wrong-secret")

    assert "wrong-secret" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("expires_at", "error"), [(0, PASSED), (1_700_000_001, PASSED), (1_700_000_000, "invalid_client"), (1, "invalid_client")]
)
def test_a_secret_ends_when_it_was_registered_to_end(op: Op, expires_at: int, error: str) -> None:
    op.clients["basic"]["client_secret_expires_at"] = expires_at

    assert attempt(op, basic_auth("basic", SECRET)) == error


def test_a_client_without_a_registered_method_uses_basic(op: Op) -> None:
    del op.clients["basic"]["token_endpoint_auth_method"]

    assert attempt(op, basic_auth("basic", SECRET)) == PASSED
    assert attempt(op, client_id="basic", client_secret=SECRET) == "invalid_client"


# -- assertions --------------------------------------------------------------------------------------------------------------


def assertion(
    op: Op,
    *,
    key: jose.Key | None = None,
    alg: str = "RS256",
    typ: Any = None,
    leave_out: Sequence[str] = (),
    **changes: Any,
) -> str:
    now = op.clock()
    claims = {"iss": "keyed", "sub": "keyed", "aud": f"{ISSUER}/token", "exp": now + 60, "iat": now, "jti": "one"} | changes
    claims = {name: value for name, value in claims.items() if name not in leave_out}
    return jose.sign(claims, key or CLIENT_RSA_KEY, alg, typ=typ)


def attempt_with(op: Op, token: str, **params: str) -> str | None:
    return attempt(op, client_assertion=token, client_assertion_type=JWT_BEARER, **params)


@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token", ["x", ISSUER]])
def test_an_assertion_signed_by_the_clients_key_passes(op: Op, audience: list[str] | str) -> None:
    assert attempt_with(op, assertion(op, aud=audience)) == PASSED


def test_an_assertion_signed_by_another_registered_key_passes(op: Op) -> None:
    assert attempt_with(op, assertion(op, key=jose.import_key(CLIENT_JWKS["keys"][1]), alg="ES256"), client_id="keyed") == PASSED


def test_an_assertion_by_the_clients_secret_passes_when_that_is_registered(op: Op) -> None:
    op.clients["keyed"]["token_endpoint_auth_method"] = "client_secret_jwt"
    token = assertion(op, key=jose.mac_key("k" * 40, "HS256"), alg="HS256")

    assert attempt_with(op, token) == PASSED


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "basic", "sub": "basic"},
        {"iss": "nobody", "sub": "nobody"},
        {"sub": "basic"},
        {"iss": 5},
        {"aud": "https://other.example/token"},
        {"aud": []},
        {"aud": {"a": ISSUER}},
        {"aud": f"{ISSUER}/authorization"},
        {"exp": 1_700_000_000},
        {"exp": 1_700_000_601},
        {"exp": "soon"},
        {"exp": True},
        {"jti": ""},
        {"jti": 5},
        {"leave_out": ["jti"]},
        {"leave_out": ["exp"]},
        {"leave_out": ["sub"]},
        {"leave_out": ["iss"]},
        {"leave_out": ["aud"]},
    ],
    ids=str,
)
def test_an_assertion_for_another_purpose_is_refused(op: Op, changes: dict[str, Any]) -> None:
    assert attempt_with(op, assertion(op, **changes)) == "invalid_client"


def test_an_assertion_by_a_strangers_key_is_refused(op: Op) -> None:
    token = assertion(op, key=jose.import_key(JWKS["keys"][0]))

    assert attempt_with(op, token) == "invalid_client"


def test_an_assertion_by_the_secret_does_not_pass_for_one_by_the_key(op: Op) -> None:
    assert attempt_with(op, assertion(op, key=jose.mac_key("k" * 40, "HS256"), alg="HS256")) == "invalid_client"


def test_an_assertion_without_a_signature_is_refused(op: Op) -> None:
    signed = assertion(op)
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()

    assert attempt_with(op, f"{header}.{signed.split('.')[1]}.") == "invalid_client"


def test_an_assertion_with_another_alg_than_the_registered_one_is_refused(op: Op) -> None:
    op.clients["keyed"]["token_endpoint_auth_signing_alg"] = "ES256"

    assert attempt_with(op, assertion(op)) == "invalid_client"
    assert attempt_with(op, assertion(op, key=jose.import_key(CLIENT_JWKS["keys"][1]), alg="ES256")) == PASSED


def test_an_assertion_is_good_once(op: Op) -> None:
    token = assertion(op)

    assert attempt_with(op, token) == PASSED
    assert attempt_with(op, token) == "invalid_client"
    assert attempt_with(op, assertion(op, jti="two")) == PASSED


def test_an_assertion_that_was_refused_for_another_reason_is_spent_as_well(make_op: MakeOp, op: Op) -> None:
    token = assertion(op)
    attempt_with(op, token)

    assert attempt_with(make_op(store=op.store), token) == "invalid_client"  # on another server of the cluster


def test_an_assertion_of_one_client_does_not_act_as_another(op: Op) -> None:
    assert attempt_with(op, assertion(op), client_id="basic") == "invalid_client"


@pytest.mark.spec("SEC-05")
def test_an_id_token_is_no_assertion(op: Op, browser: Browser) -> None:
    id_token = browser.sign_in()["id_token"]

    assert attempt_with(op, id_token) == "invalid_client"


def test_a_weak_key_among_a_clients_keys_does_not_pass(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["keyed"]["jwks"] = {"keys": []}

    assert attempt_with(op, assertion(op)) == "invalid_client"


def test_a_way_of_authentication_of_the_deployers_own_is_asked(make_op: MakeOp) -> None:
    op = make_op()
    asked = []

    def theirs(provider: Provider, areq: Any, authn: Any) -> str:
        asked.append(areq["client_id"])
        return areq["client_id"]

    op.provider.client_authn = theirs

    code = op.browser().authorize(login="alice").in_query["code"]
    answer = op.token({"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URIS["basic"], "client_id": "basic"})

    assert answer.status == 200
    assert asked == ["basic"]


@pytest.mark.parametrize("result", [None, "post", KeyError("x")])
def test_what_it_fails_at_or_says_otherwise_is_a_refusal(make_op: MakeOp, result: KeyError | str | None) -> None:
    op = make_op()

    def theirs(provider: Provider, areq: Any, authn: Any) -> str | None:
        if isinstance(result, Exception):
            raise result
        return result

    op.provider.client_authn = theirs

    assert attempt(op, client_id="basic") == "invalid_client"

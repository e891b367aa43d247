"""Logout Tokens as an RP gets them: claims, header, keys, encryption; and where they must not be taken for something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from jwkest.jws import NoSuitableSigningKeys

from oic_session_ext.crypto import jose
from oic_session_ext.logout.backchannel.logout_token import logout_token_claims
from oic_session_ext.testing.examples import example_notice
from tests.provider.conftest import CLIENT_JWKS, ISSUER, REDIRECT_URIS, SECRET, Op, public_part

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def token_for(op: Op, client_id: str = "basic", **metadata: Any) -> str:
    client = {**op.ext.clients.get(client_id), **metadata}
    return op.ext.delivery.tokens.sign_logout_token(claims_for(op, client_id), client)


def claims_for(op: Op, client_id: str = "basic") -> dict[str, Any]:
    notice = example_notice(client_id=client_id, sub="alice-here", sid="her-sid")
    return logout_token_claims(notice, issuer=ISSUER, now=op.clock(), lifetime_s=120)


def verified(op: Op, token: str) -> jose.Jwt:
    return jose.verify(token, op.ext.issuer_keys(), jose.ASYMMETRIC_ALGS)


@pytest.mark.spec("BC-02", "BC-03", "BC-07", "BC-10", "BC-11", "BC-04", "WR-13")
def test_the_claims_are_those_of_the_specification_and_no_others(op: Op) -> None:
    claims = dict(verified(op, token_for(op)).claims)

    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": ISSUER,
        "aud": "basic",
        "iat": op.clock(),
        "exp": op.clock() + 120,
        "events": {EVENT: {}},
        "sub": "alice-here",
        "sid": "her-sid",
    }


@pytest.mark.spec("BC-09")
def test_no_two_tokens_have_the_same_jti(op: Op) -> None:
    assert len({claims_for(op)["jti"] for _ in range(1000)}) == 1000


@pytest.mark.spec("BC-12", "BC-13", "BC-19", "BC-20", "SEC-07", "WR-13", "PY-04")
def test_it_is_signed_with_a_published_key_and_its_header_says_only_what_is_needed(op: Op) -> None:
    header = verified(op, token_for(op)).header

    published = {key["kid"] for key in op.ext.op_keys.public_jwks()["keys"]}
    assert set(header) == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "logout+jwt")
    assert header["kid"] in published


@pytest.mark.spec("BC-20")
def test_a_client_that_chokes_on_the_type_gets_none(op: Op) -> None:
    assert "typ" not in jose.read_header(token_for(op, backchannel_logout_token_typ=False))


@pytest.mark.spec("BC-13")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_it_is_signed_as_the_clients_id_tokens(op: Op, alg: str) -> None:
    assert verified(op, token_for(op, id_token_signed_response_alg=alg)).header["alg"] == alg


@pytest.mark.spec("BC-13")
def test_a_client_that_registered_no_algorithm_gets_rs256(op: Op) -> None:
    assert verified(op, token_for(op, id_token_signed_response_alg=None)).header["alg"] == "RS256"


@pytest.mark.spec("BC-16", "REG-12", "PY-04")
def test_it_is_never_unsigned(op: Op) -> None:
    assert verified(op, token_for(op, id_token_signed_response_alg="none")).header["alg"] == "RS256"


@pytest.mark.spec("BC-14")
def test_a_client_with_a_mac_algorithm_gets_one_under_its_own_secret(op: Op) -> None:
    token = token_for(op, id_token_signed_response_alg="HS256")

    assert jose.verify(token, [jose.mac_key(SECRET, "HS256")], ["HS256"]).claims["aud"] == "basic"


@pytest.mark.parametrize(
    "metadata",
    [
        {"id_token_signed_response_alg": "HS256", "client_secret": "short"},
        {"id_token_signed_response_alg": "HS256", "client_secret": None},
        {"id_token_signed_response_alg": "ES512"},
        {"id_token_signed_response_alg": "XS256"},
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
        {"id_token_encrypted_response_alg": "RSA1_5", "jwks": CLIENT_JWKS},
        {"id_token_encrypted_response_alg": "ECDH-ES", "jwks": {"keys": []}},
    ],
    ids=["short secret", "no secret", "no such key", "no such alg", "no key to encrypt to", "weak encryption", "empty key set"],
)
def test_without_a_fitting_key_there_is_no_token(op: Op, metadata: Mapping[str, Any]) -> None:
    with pytest.raises(jose.BadKey):
        token_for(op, **metadata)


@pytest.mark.spec("BC-15", "BC-17", "BC-18")
@pytest.mark.parametrize(("alg", "enc"), [("RSA-OAEP", None), ("RSA-OAEP-256", "A256GCM")])
def test_it_is_encrypted_when_the_clients_id_tokens_are(op: Op, alg: str, enc: str | None) -> None:
    token = token_for(op, "keyed", id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc)

    outer = jose.read_header(token)
    key = next(key for key in CLIENT_JWKS["keys"] if key.get("use") == "enc")
    inner = jose.decrypt(token, [jose.import_key(key)], jose.ASYMMETRIC_KEY_ALGS, jose.CONTENT_ENCS)
    assert (outer["alg"], outer["enc"], outer["iss"]) == (alg, enc or "A128CBC-HS256", ISSUER)
    assert "typ" not in outer
    assert verified(op, inner).header["typ"] == "logout+jwt"


@pytest.mark.spec("BC-15")
def test_it_is_encrypted_with_the_clients_secret_when_that_is_registered(op: Op) -> None:
    token = token_for(op, id_token_encrypted_response_alg="A128KW")

    key = jose.encryption_key(SECRET, "A128KW", "A128CBC-HS256")
    assert verified(op, jose.decrypt(token, [key], ["A128KW"], jose.CONTENT_ENCS)).claims["aud"] == "basic"


# -- what a Logout Token must not be taken for, and the reverse -------------------------------------------------------------


@pytest.mark.spec("SEC-05", "SEC-06")
@pytest.mark.parametrize("typ", [True, False], ids=["with its type", "without a type"])
def test_a_logout_token_opens_no_endpoint(op: Op, typ: bool) -> None:
    token = token_for(op, backchannel_logout_token_typ=typ)
    assertion = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": token}
    code = {"grant_type": "authorization_code", "code": token, "redirect_uri": REDIRECT_URIS["basic"]}

    answers = {
        "access token": op.userinfo(token).status,
        "code": op.redeem(token).status,
        "refresh token": op.refresh(token).status,
        "client assertion": op.token(urlencode(code | assertion)).status,
    }

    assert answers == {"access token": 401, "code": 400, "refresh token": 400, "client assertion": 401}


@pytest.mark.spec("SEC-05", "RI-21")
@pytest.mark.parametrize("typ", [True, False], ids=["with its type", "without a type"])
def test_a_logout_token_is_no_hint(op: Op, typ: bool) -> None:
    browser = op.browser()
    browser.sign_in("basic")

    page = browser.end_session(id_token_hint=token_for(op, backchannel_logout_token_typ=typ))

    assert page.form.fields.get("confirmation"), "the user is asked, since the hint proves nothing"
    assert browser.is_signed_in("basic")


@pytest.mark.spec("SEC-05")
def test_a_logout_token_is_no_request_object(op: Op) -> None:
    answer = op.browser().authorize("basic", request=token_for(op), login="alice")

    assert "code" not in answer.in_query


@pytest.mark.spec("SEC-05")
def test_an_id_token_is_not_what_a_logout_token_is(op: Op) -> None:
    tokens = op.browser().sign_in("basic")

    jwt = verified(op, tokens["id_token"])

    assert "events" not in jwt.claims
    assert jwt.header.get("typ") != "logout+jwt"


# -- beside pyoidc's own ------------------------------------------------------------------------------------------------------


def either_token(op: Any, **metadata: Any) -> str:
    """A Logout Token as pyoidc makes it, or as we do."""
    if not op.is_stock:
        return token_for(op, **metadata)
    client = {"backchannel_logout_uri": "https://basic.example.com/bc", **op.clients["basic"], **metadata}
    return op.provider.do_back_channel_logout(client, "alice-here", "her-sid")[1]


@pytest.mark.defect("2.24")
def test_its_header_says_what_it_is_and_its_claims_do_not_say_the_key_again(logout_op: Any) -> None:
    token = jose.read_unverified(either_token(logout_op))

    assert (token.header.get("typ") == "logout+jwt") is not logout_op.is_stock
    assert ("kid" in token.claims) is logout_op.is_stock


@pytest.mark.defect("2.24")
@pytest.mark.spec("BC-16")
def test_it_is_signed_for_a_client_that_wants_no_signature(logout_op: Any) -> None:
    header = jose.read_header(either_token(logout_op, id_token_signed_response_alg="none"))

    assert (header["alg"] == "none") is logout_op.is_stock


@pytest.mark.defect("2.24")
@pytest.mark.spec("BC-14")
def test_it_can_be_made_for_a_client_with_a_mac_algorithm(logout_op: Any) -> None:
    if logout_op.is_stock:
        with pytest.raises(NoSuitableSigningKeys):
            either_token(logout_op, id_token_signed_response_alg="HS256")
    else:
        assert jose.read_header(either_token(logout_op, id_token_signed_response_alg="HS256"))["alg"] == "HS256"


@pytest.mark.defect("2.24")
@pytest.mark.spec("BC-15")
def test_it_is_encrypted_where_that_is_registered(logout_op: Any) -> None:
    keys = {"jwks": {"keys": [public_part(key) for key in CLIENT_JWKS["keys"]]}}

    header = jose.read_header(either_token(logout_op, id_token_encrypted_response_alg="RSA-OAEP", **keys))

    assert ("enc" in header) is not logout_op.is_stock


@pytest.mark.defect("2.24")
def test_it_is_good_for_minutes(logout_op: Any) -> None:
    if logout_op.is_stock:
        claims = jose.read_unverified(either_token(logout_op)).claims
        assert claims["exp"] - claims["iat"] == 86_400
    else:
        assert logout_op.ext.settings.delivery.token_lifetime_s <= 300


@pytest.mark.defect("2.24")
def test_a_client_that_is_listed_without_its_own_id_is_told(logout_op: Any) -> None:
    if logout_op.is_stock:
        with pytest.raises(KeyError):
            logout_op.provider.do_back_channel_logout({"backchannel_logout_uri": "https://basic.example.com/bc"}, "sub", "sid")
    else:
        del logout_op.clients["basic"]["client_id"]
        assert token_for(logout_op)

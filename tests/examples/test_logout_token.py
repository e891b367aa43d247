"""What the example RP's validator takes for a Logout Token, and what it refuses, step by step as OIDCBCL-2.6 lists them.

The tokens are signed by another library than the one that validates them.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from logout_token import LOGOUT_EVENT, EndedAtOp, LogoutTokenRefused, LogoutTokenValidator, SeenTokens

from tests.examples.fake_op import FakeOp

SECRET = "a client secret of more than 32 characters"


class Jwks:
    """The keys of an OP; counts how often a fresh look was asked for."""

    def __init__(self, *keys: RSAKey | ECKey) -> None:
        self.keys = list(keys)
        self.later: list[RSAKey | ECKey] = []
        self.renewals = 0

    def __call__(self, renew: bool) -> dict[str, Any]:
        if renew:
            self.renewals += 1
            self.keys += self.later
        return {"keys": [key.as_dict(private=False) for key in self.keys]}


def validator_of(op: FakeOp, jwks: Jwks | None = None, **options: Any) -> LogoutTokenValidator:
    """A validator for `client a` at the fake OP."""
    return LogoutTokenValidator(op.issuer, "client a", jwks or Jwks(op.key), **options)


def unsigned(op: FakeOp, alg: str) -> str:
    """A token with an empty signature."""
    claims = op.logout_token().split(".")[1]
    return (
        base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "k1", "typ": "logout+jwt"}).encode()).rstrip(b"=").decode() + f".{claims}."
    )


def expect_refused(validator: LogoutTokenValidator, token: str, why: str) -> None:
    """The check that fails is the one that is meant."""
    with pytest.raises(LogoutTokenRefused, match=why):
        validator.validate(token)


def test_a_good_token_says_whose_session_has_ended(op: FakeOp) -> None:
    now = int(time.time())

    ended = validator_of(op).validate(op.logout_token(jti="j1", exp=now + 60))

    assert ended == EndedAtOp(op.issuer, "alice-sub", "sid-1", "j1", now + 60)


@pytest.mark.spec("RP-30")
def test_an_encrypted_token_is_refused_where_no_encryption_was_registered(op: FakeOp) -> None:
    expect_refused(validator_of(op), "a.b.c.d.e", "encrypted")


@pytest.mark.spec("RP-30")
@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "\ud800.e30.x", "\x00", "W10.W10.W10", "bnVsbA.e30.x"])
def test_what_is_no_jwt_is_refused(op: FakeOp, token: str) -> None:
    expect_refused(validator_of(op), token, "not valid|encrypted")


@pytest.mark.spec("RP-30")
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_json_that_is_too_deep_is_refused(op: FakeOp, opening: bytes) -> None:
    deep = base64.urlsafe_b64encode(opening * 3000).rstrip(b"=").decode()

    expect_refused(validator_of(op), f"{deep}.e30.AAAA", "not valid")


@pytest.mark.spec("RP-30")
def test_a_foreign_signature_is_refused(op: FakeOp) -> None:
    op.signing_key = RSAKey.generate_key(2048)

    expect_refused(validator_of(op), op.logout_token(), "InvalidSignature")


@pytest.mark.spec("RP-30")
def test_a_changed_claim_is_refused(op: FakeOp) -> None:
    header, _, signature = op.logout_token().split(".")
    other = op.logout_token(sub="bob-sub").split(".")[1]

    expect_refused(validator_of(op), f"{header}.{other}.{signature}", "InvalidSignature")


@pytest.mark.spec("RP-30")
@pytest.mark.parametrize("alg", ["none", "None", "RS512", "HS256", "", "ES256"])
def test_an_alg_that_was_not_registered_is_refused(op: FakeOp, alg: str) -> None:
    expect_refused(validator_of(op), unsigned(op, alg), "registered alg")


@pytest.mark.spec("RP-30")
def test_the_public_key_does_not_serve_as_a_shared_secret(op: FakeOp) -> None:
    signed = ".".join(unsigned(op, "HS256").split(".")[:2])
    by_hand = hmac.digest(op.key.as_pem(private=False), signed.encode(), "sha256")  # libraries refuse to do this
    token = f"{signed}.{base64.urlsafe_b64encode(by_hand).rstrip(b'=').decode()}"

    expect_refused(validator_of(op), token, "registered alg")


def test_a_validator_without_signatures_cannot_be_made(op: FakeOp) -> None:
    with pytest.raises(ValueError, match="signed"):
        validator_of(op, alg="none")


@pytest.mark.spec("RP-30")
def test_a_registered_es256_is_taken_and_rs256_then_refused(op: FakeOp) -> None:
    rs256 = op.logout_token()
    key = ECKey.generate_key("P-256", {"kid": "e1"})
    op.signing_key = key  # type: ignore[assignment]
    validator = validator_of(op, Jwks(op.key, key), alg="ES256")

    assert validator.validate(op.logout_token(header={"alg": "ES256", "kid": "e1"})).sid == "sid-1"
    expect_refused(validator, rs256, "registered alg")


@pytest.mark.spec("RP-30")
def test_a_registered_hs256_is_keyed_by_the_client_secret(op: FakeOp) -> None:
    op.signing_key = OctKey.import_key(SECRET)  # type: ignore[assignment]
    token = op.logout_token(header={"alg": "HS256", "kid": None})

    assert validator_of(op, alg="HS256", client_secret=SECRET).validate(token).sid == "sid-1"
    expect_refused(validator_of(op, alg="HS256", client_secret=SECRET + "x"), token, "InvalidSignature")
    expect_refused(validator_of(op, alg="HS256"), token, "not valid")


def test_a_key_that_the_op_rotated_in_is_fetched(op: FakeOp) -> None:
    new = RSAKey.generate_key(2048, {"kid": "k2"})
    jwks = Jwks(op.key)
    jwks.later = [new]
    op.signing_key = new

    assert validator_of(op, jwks).validate(op.logout_token(header={"kid": "k2"})).sid == "sid-1"
    assert jwks.renewals == 1


def test_a_bad_signature_by_a_known_key_costs_the_op_no_request(op: FakeOp) -> None:
    jwks = Jwks(op.key)
    op.signing_key = RSAKey.generate_key(2048)

    expect_refused(validator_of(op, jwks), op.logout_token(), "InvalidSignature")
    assert jwks.renewals == 0


@pytest.mark.parametrize("jwk", [{"use": "enc"}, {"alg": "PS256"}, {"kid": "other"}, {"kty": "EC"}])
def test_a_key_for_something_else_is_not_used(op: FakeOp, jwk: dict[str, str]) -> None:
    document = {"keys": [{**op.key.as_dict(private=False), **jwk}, "no key"]}

    expect_refused(LogoutTokenValidator(op.issuer, "client a", lambda _: document), op.logout_token(), "no such key")


def test_a_token_without_a_kid_is_good_while_the_op_has_one_key(op: FakeOp) -> None:
    token = op.logout_token(header={"kid": None})

    assert validator_of(op).validate(token).sid == "sid-1"
    expect_refused(validator_of(op, Jwks(op.key, RSAKey.generate_key(2048))), token, "no such key")


@pytest.mark.spec("RP-30")
@pytest.mark.parametrize(
    ("claims", "why"),
    [
        pytest.param({"iss": "https://other.example"}, "InvalidIssuer", id="another issuer"),
        pytest.param({"iss": None}, "MissingRequired", id="no issuer"),
        pytest.param({"aud": "client b"}, "InvalidAudience", id="another client"),
        pytest.param({"aud": ["client b"]}, "InvalidAudience", id="a list of another client"),
        pytest.param({"aud": ["client a", "client b"]}, "another client too", id="a second audience"),
        pytest.param({"aud": None}, "MissingRequired", id="no audience"),
        pytest.param({"aud": []}, "MissingRequired", id="an empty audience"),
        pytest.param({"iat": 4_000_000_000, "exp": 4_000_000_060}, "Immature", id="issued in the future"),
        pytest.param({"iat": None}, "MissingRequired", id="no time of issue"),
        pytest.param({"iat": "1700000000"}, "numbers", id="time of issue in quotes"),
        pytest.param({"iat": True}, "numbers", id="time of issue that is true"),
        pytest.param({"exp": 1_700_000_000}, "Expired", id="expired"),
        pytest.param({"exp": None}, "MissingRequired", id="no expiry"),
        pytest.param({"exp": "4000000000"}, "numbers", id="expiry in quotes"),
        pytest.param({"exp": "soon"}, "DecodeError", id="expiry that is a word"),
        pytest.param({"exp": float("inf")}, "DecodeError", id="expiry that never comes"),
        pytest.param({"sub": None, "sid": None}, "neither", id="neither sub nor sid"),
        pytest.param({"sub": None, "sid": ""}, "neither", id="an empty sid"),
        pytest.param({"sub": "", "sid": "s"}, "neither", id="an empty sub"),
        pytest.param({"sub": 7}, "InvalidSubject", id="a sub that is a number"),
        pytest.param({"sid": ["sid-1"]}, "neither", id="a sid that is a list"),
        pytest.param({"events": None}, "MissingRequired", id="no events"),
        pytest.param({"events": {}}, "no back-channel", id="an empty events"),
        pytest.param({"events": [LOGOUT_EVENT]}, "no back-channel", id="events as a list"),
        pytest.param({"events": LOGOUT_EVENT}, "no back-channel", id="events as a string"),
        pytest.param({"events": {LOGOUT_EVENT + "/": {}}}, "no back-channel", id="another event"),
        pytest.param({"events": {LOGOUT_EVENT: True}}, "no back-channel", id="an event that is no object"),
        pytest.param({"nonce": "n"}, "nonce", id="a nonce"),
        pytest.param({"nonce": ""}, "nonce", id="an empty nonce"),
        pytest.param({"jti": None}, "MissingRequired", id="no jti"),
        pytest.param({"jti": ""}, "jti", id="an empty jti"),
        pytest.param({"jti": 7}, "InvalidJTI", id="a jti that is a number"),
        pytest.param({"nbf": 4_000_000_000}, "Immature", id="not before a later time"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(op: FakeOp, claims: dict[str, Any], why: str) -> None:
    expect_refused(validator_of(op), op.logout_token(**claims), why)


@pytest.mark.spec("RP-30")
def test_a_nonce_that_is_null_is_refused(op: FakeOp) -> None:
    claims = json.loads(jws.deserialize_compact(op.logout_token(), op.key, algorithms=["RS256"]).payload) | {"nonce": None}

    expect_refused(validator_of(op), jwt.encode({"alg": "RS256", "kid": "k1"}, claims, op.key), "nonce")


@pytest.mark.spec("RP-30")
@pytest.mark.parametrize("offset", [-20, 20], ids=["a clock that is behind", "a clock that is ahead"])
def test_clocks_may_differ_a_little(op: FakeOp, offset: int) -> None:
    now = int(time.time()) + offset

    assert validator_of(op).validate(op.logout_token(iat=now, exp=now + 1)).sid == "sid-1"


@pytest.mark.spec("RP-30")
def test_the_steps_are_taken_in_order(op: FakeOp) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("InvalidIssuer", {"iss": "https://other.example"}),
        ("neither", {"sub": None, "sid": None}),
        ("no back-channel", {"events": {"x": {}}}),
        ("nonce", {"nonce": "n"}),
    ]
    for first, (why, _) in enumerate(wrong):
        claims = {name: value for _, claim in wrong[first:] for name, value in claim.items()}
        expect_refused(validator_of(op), op.logout_token(**claims), why)


@pytest.mark.spec("RP-31")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"events": {LOGOUT_EVENT: {"reason": "x"}, "https://example.com/event": {}}}, id="more events, one with content"),
        pytest.param({"toe": 1, "https://example.com/claim": [1]}, id="unknown claims"),
        pytest.param({"aud": ["client a"]}, id="a list of this client alone"),
        pytest.param({"sub": None}, id="no sub"),
        pytest.param({"sid": None}, id="no sid"),
    ],
)
def test_a_token_with_other_good_claims_is_taken(op: FakeOp, claims: dict[str, Any]) -> None:
    assert validator_of(op).validate(op.logout_token(**claims)).iss == op.issuer


def test_a_token_whose_expiry_has_a_fraction_is_taken(op: FakeOp) -> None:
    assert validator_of(op).validate(op.logout_token(exp=time.time() + 60.5)).iss == op.issuer


@pytest.mark.spec("RP-32")
@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "Logout+JWT"])
def test_a_token_that_says_that_it_is_a_logout_token_is_taken(op: FakeOp, typ: str) -> None:
    assert validator_of(op, require_typ=True).validate(op.logout_token(header={"typ": typ})).sid == "sid-1"


@pytest.mark.spec("RP-32")
@pytest.mark.parametrize("typ", [None, "JWT", "jwt"], ids=["missing", "JWT", "jwt"])
def test_a_token_that_does_not_say_what_it_is_is_taken_unless_that_is_required(op: FakeOp, typ: str | None) -> None:
    token = op.logout_token(header={"typ": typ})

    assert validator_of(op).validate(token).sid == "sid-1"
    expect_refused(validator_of(op, require_typ=True), token, "typ")


@pytest.mark.spec("RP-32", "SEC-05")
@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "", "logout+jwt "])
def test_a_token_that_says_that_it_is_something_else_is_refused(op: FakeOp, typ: str) -> None:
    expect_refused(validator_of(op), op.logout_token(header={"typ": typ}), "typ")


@pytest.mark.spec("SEC-05")
def test_an_id_token_does_not_pass_for_a_logout_token(op: FakeOp) -> None:
    id_token = op.id_token({"client_id": "client a", "nonce": "n"})

    expect_refused(validator_of(op), id_token, "not valid")


def test_a_critical_header_that_nobody_knows_is_refused(op: FakeOp) -> None:
    claims = jws.deserialize_compact(op.logout_token(), op.key, algorithms=["RS256"]).payload
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": "k1", "crit": ["exp"], "exp": 1}).encode()).rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()

    expect_refused(validator_of(op), f"{head}.{body}.AAAA", "not valid")


@pytest.mark.spec("RP-30")
def test_a_jti_is_good_once_until_its_token_has_expired() -> None:
    clock = [1_000.0]
    seen = SeenTokens(now=lambda: clock[0])
    token = EndedAtOp("https://op.example", "alice", None, "j1", 1_100)

    assert seen.is_first(token)
    clock[0] = 1_129
    assert not seen.is_first(token)
    clock[0] = 1_131
    assert seen.is_first(token)


def test_a_jti_of_another_issuer_is_another_one() -> None:
    seen = SeenTokens(now=lambda: 0.0)

    assert seen.is_first(EndedAtOp("https://op.example", "alice", None, "j1", 1_100))
    assert seen.is_first(EndedAtOp("https://other.example", "alice", None, "j1", 1_100))

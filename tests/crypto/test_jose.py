"""Signing, verifying and encrypting JWTs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from oic_session_ext.crypto import jose
from oic_session_ext.crypto.jose import BadJwt, BadKey

CLAIMS = {"iss": "https://op.example.org", "sub": "alice", "aud": "rp"}
SECRET = "client-secret-" + "x" * 60


def rsa_jwk(**members: Any) -> dict[str, str]:
    return {**RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True), **members}


RSA_JWK = rsa_jwk()
RSA = jose.import_key(RSA_JWK)
OTHER_RSA = jose.import_key(rsa_jwk())
EC = {curve: jose.import_key(ECKey.generate_key(curve, auto_kid=True).as_dict(private=True)) for curve in ("P-256", "P-384", "P-521")}


def key_for(alg: str) -> jose.Key:
    if alg in jose.MAC_ALGS:
        return jose.mac_key(SECRET, alg)
    return EC[{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]] if alg.startswith("ES") else RSA


def part(value: bytes | dict[str, Any] | list[str]) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("alg", sorted(jose.ASYMMETRIC_ALGS | jose.MAC_ALGS))
def test_a_signed_token_is_verified_under_every_algorithm(alg: str) -> None:
    token = jose.sign(CLAIMS, key_for(alg), alg)

    assert jose.verify(token, [key_for(alg)], {alg}).claims == CLAIMS


@pytest.mark.spec("BC-12", "BC-19")
def test_the_header_has_alg_kid_and_typ_and_nothing_else() -> None:
    token = jose.sign(CLAIMS, RSA, "RS256", typ="logout+jwt")

    assert jose.verify(token, [RSA], {"RS256"}).header == {"alg": "RS256", "kid": RSA_JWK["kid"], "typ": "logout+jwt"}


def test_typ_is_absent_unless_asked_for() -> None:
    assert "typ" not in jose.read_header(jose.sign(CLAIMS, RSA, "RS256"))


def test_a_public_key_verifies_but_does_not_sign() -> None:
    public = jose.import_key({name: RSA_JWK[name] for name in ("kty", "n", "e", "kid")})

    assert jose.verify(jose.sign(CLAIMS, RSA, "RS256"), [public], {"RS256"}).claims == CLAIMS
    with pytest.raises(BadKey):
        jose.sign(CLAIMS, public, "RS256")


def test_a_key_whose_writer_left_out_the_crt_factors_is_imported() -> None:
    key = jose.import_key({name: value for name, value in RSA_JWK.items() if name not in ("dp", "dq", "qi")} | {"alg": ""})

    assert jose.verify(jose.sign(CLAIMS, key, "RS256"), [RSA], {"RS256"}).claims == CLAIMS


def test_the_key_is_picked_by_kid() -> None:
    token = jose.sign(CLAIMS, RSA, "RS256")

    assert jose.verify(token, [OTHER_RSA, EC["P-256"], RSA], {"RS256"}).claims == CLAIMS


def test_a_kid_that_no_key_has_is_refused_even_if_a_key_would_fit() -> None:
    renamed = jose.import_key({**RSA_JWK, "kid": "another"})

    with pytest.raises(BadJwt):
        jose.verify(jose.sign(CLAIMS, RSA, "RS256"), [renamed], {"RS256"})


def test_without_a_kid_every_fitting_key_is_tried() -> None:
    nameless = jose.import_key({name: value for name, value in RSA_JWK.items() if name != "kid"})

    assert jose.verify(jose.sign(CLAIMS, nameless, "RS256"), [EC["P-256"], OTHER_RSA, RSA], {"RS256"}).claims == CLAIMS


@pytest.mark.spec("RI-10")
def test_alg_none_is_refused_even_if_the_caller_allows_it() -> None:
    token = f"{part({'alg': 'none'})}.{part(CLAIMS)}."

    for algs in ({"RS256"}, {"none"}, set()):
        with pytest.raises(BadJwt):
            jose.verify(token, [RSA], algs)


def test_an_algorithm_that_the_caller_does_not_allow_is_refused() -> None:
    with pytest.raises(BadJwt):
        jose.verify(jose.sign(CLAIMS, RSA, "RS384"), [RSA], {"RS256"})


def test_an_empty_list_of_algorithms_allows_none() -> None:
    with pytest.raises(BadJwt):
        jose.verify(jose.sign(CLAIMS, RSA, "RS256"), [RSA], set())


def test_a_public_key_is_never_taken_for_the_secret_of_a_mac() -> None:
    assert isinstance(RSA, RSAKey)
    pem = RSA.as_pem(private=False)
    forged = jose.sign(CLAIMS, OctKey(pem, pem), "HS256")

    with pytest.raises(BadJwt):
        jose.verify(forged, [RSA], {"RS256", "HS256"})


def test_an_encryption_key_does_not_verify() -> None:
    enc_only = jose.import_key({**RSA_JWK, "use": "enc"})

    with pytest.raises(BadJwt):
        jose.verify(jose.sign(CLAIMS, RSA, "RS256"), [enc_only], {"RS256"})


def test_a_key_meant_for_another_algorithm_does_not_sign() -> None:
    with pytest.raises(BadKey):
        jose.sign(CLAIMS, jose.import_key({**RSA_JWK, "alg": "PS256"}), "RS256")


@pytest.mark.parametrize("alg", ["none", "ES384", "HS256", "RS1", ""])
def test_signing_with_an_algorithm_that_does_not_fit_the_key_is_refused(alg: str) -> None:
    with pytest.raises(BadKey):
        jose.sign(CLAIMS, EC["P-256"], alg)


GOOD = jose.sign(CLAIMS, RSA, "RS256")
HEAD, BODY, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("abc", id="no dots"),
        pytest.param(f"{HEAD}.{BODY}", id="two parts"),
        pytest.param(f"{GOOD}.x", id="four parts"),
        pytest.param(f"{HEAD}..{SIGNATURE}", id="no payload"),
        pytest.param(f"{HEAD}.{BODY}.", id="no signature"),
        pytest.param(f"{HEAD}.{BODY}.{SIGNATURE[:-4]}AAAA", id="other signature"),
        pytest.param(f"{HEAD}.{part({**CLAIMS, 'sub': 'bob'})}.{SIGNATURE}", id="other claims"),
        pytest.param(f"{HEAD}.{BODY}.{SIGNATURE}==", id="padding"),
        pytest.param(f"{HEAD}.{BODY}.*", id="not base64url"),
        pytest.param(f"{part(['RS256'])}.{BODY}.{SIGNATURE}", id="header is a list"),
        pytest.param(f"{part({})}.{BODY}.{SIGNATURE}", id="no alg"),
        pytest.param(f"{part({'alg': ['RS256']})}.{BODY}.{SIGNATURE}", id="alg is a list"),
        pytest.param(f"{part({'alg': 'RS256', 'kid': 1})}.{BODY}.{SIGNATURE}", id="kid is a number"),
        pytest.param(f"{part({'alg': 'RS256', 'crit': ['exp'], 'exp': 1})}.{BODY}.{SIGNATURE}", id="crit"),
        pytest.param(f"{part({'alg': 'RS256', 'b64': False})}.{BODY}.{SIGNATURE}", id="b64"),
        pytest.param(f"{part(b'{')}.{BODY}.{SIGNATURE}", id="header is no JSON"),
        pytest.param(f"{part(bytes([255, 254]))}.{BODY}.{SIGNATURE}", id="header is not UTF-8"),
        pytest.param(f"{part(b'[' * 9000)}.{BODY}.{SIGNATURE}", id="deep nesting"),
        pytest.param(f"{HEAD}.{BODY}.{SIGNATURE}é", id="not ASCII"),
        pytest.param(f"{GOOD}\n", id="line feed"),
    ],
)
def test_a_malformed_or_altered_token_is_refused(token: str) -> None:
    with pytest.raises(BadJwt):
        jose.verify(token, [RSA], {"RS256"})


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b'{"exp": NaN}',
        b'{"exp": Infinity}',
        b'{"sub": "\\ud800"}',
        b"\xff",
        b"{",
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_claims_that_are_no_json_object_are_refused_though_signed(payload: bytes) -> None:
    signing_input = f"{part({'alg': 'HS256'})}.{part(payload)}"
    key = jose.mac_key(SECRET, "HS256")

    token = f"{signing_input}.{part(hmac.new(SECRET.encode(), signing_input.encode(), hashlib.sha256).digest())}"

    with pytest.raises(BadJwt):
        jose.verify(token, [key], {"HS256"})


@pytest.mark.spec("SEC-12")
def test_an_over_long_token_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadJwt):
        jose.verify(jose.sign({"x": "y" * jose.MAX_TOKEN_LENGTH}, RSA, "RS256"), [RSA], {"RS256"})


def test_an_emoji_in_a_claim_survives() -> None:
    token = jose.sign({"name": "\U0001f600"}, RSA, "RS256")

    assert jose.verify(token, [RSA], {"RS256"}).claims == {"name": "\U0001f600"}


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param({}, id="empty"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0"}, id="symmetric"),
        pytest.param({"kty": "RSA", "n": "AQAB"}, id="no exponent"),
        pytest.param({"kty": "RSA", "n": 5, "e": "AQAB"}, id="modulus is a number"),
        pytest.param({"kty": "RSA", "n": "*", "e": "AQAB"}, id="modulus is not base64url"),
        pytest.param({"kty": "RSA", "n": part(b"\xff" * 128), "e": "AQAB"}, id="1024 bits"),
        pytest.param({"kty": "EC", "crv": "P-257", "x": "AQ", "y": "AQ"}, id="unknown curve"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}, id="not on the curve"),
        pytest.param({"kty": "EC", "crv": ["P-256"], "x": "AQ", "y": "AQ"}, id="curve is a list"),
    ],
)
def test_a_malformed_or_weak_key_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(BadKey):
        jose.import_key(jwk)


@pytest.mark.spec("OIDCC-16.19")
@pytest.mark.parametrize(("alg", "length"), [("HS256", 31), ("HS384", 47), ("HS512", 63), ("RS256", 100)])
def test_a_secret_shorter_than_the_hash_makes_no_mac_key(alg: str, length: int) -> None:
    with pytest.raises(BadKey):
        jose.mac_key("x" * length, alg)


@pytest.mark.spec("RI-18")
@pytest.mark.parametrize(
    ("alg", "enc", "digest", "length"),
    [
        ("A128KW", "A128CBC-HS256", "sha256", 16),
        ("A192KW", "A128GCM", "sha256", 24),
        ("A256KW", "A256CBC-HS512", "sha256", 32),
        ("dir", "A128GCM", "sha256", 16),
        ("dir", "A128CBC-HS256", "sha256", 32),
        ("dir", "A192CBC-HS384", "sha384", 48),
        ("dir", "A256CBC-HS512", "sha512", 64),
    ],
)
def test_a_symmetric_encryption_key_is_the_left_of_the_secrets_hash(alg: str, enc: str, digest: str, length: int) -> None:

    key = jose.encryption_key(SECRET, alg, enc)

    assert key.raw_value == hashlib.new(digest, SECRET.encode()).digest()[:length]


@pytest.mark.parametrize(("secret", "alg", "enc"), [("", "A128KW", "A128GCM"), ("x", "RSA-OAEP", "A128GCM"), ("x", "dir", "other")])
def test_no_symmetric_encryption_key_for_other_algorithms_or_no_secret(secret: str, alg: str, enc: str) -> None:
    with pytest.raises(BadKey):
        jose.encryption_key(secret, alg, enc)


@pytest.mark.spec("BC-15", "RI-17")
@pytest.mark.parametrize("enc", sorted(jose.CONTENT_ENCS))
@pytest.mark.parametrize("alg", sorted(jose.ASYMMETRIC_KEY_ALGS | jose.SYMMETRIC_KEY_ALGS))
def test_a_nested_token_decrypts_under_every_algorithm(alg: str, enc: str) -> None:
    key = jose.encryption_key(SECRET, alg, enc) if alg in jose.SYMMETRIC_KEY_ALGS else RSA if alg.startswith("RSA") else EC["P-256"]

    token = jose.encrypt(GOOD, key, alg, enc)

    assert token.count(".") == 4
    assert jose.decrypt(token, [key], {alg}, {enc}) == GOOD


@pytest.mark.spec("BC-17", "BC-18")
def test_the_outer_header_says_jwt_and_repeats_what_it_is_given() -> None:
    header = jose.read_header(jose.encrypt(GOOD, RSA, "RSA-OAEP", "A128GCM", extra_header={"iss": "https://op.example.org"}))

    assert header == {"alg": "RSA-OAEP", "enc": "A128GCM", "cty": "JWT", "kid": RSA_JWK["kid"], "iss": "https://op.example.org"}


ENCRYPTED = jose.encrypt(GOOD, RSA, "RSA-OAEP", "A128GCM")


@pytest.mark.parametrize(
    ("keys", "algs", "encs"),
    [
        pytest.param([OTHER_RSA], {"RSA-OAEP"}, {"A128GCM"}, id="another key"),
        pytest.param([EC["P-256"]], {"RSA-OAEP"}, {"A128GCM"}, id="another kind of key"),
        pytest.param([], {"RSA-OAEP"}, {"A128GCM"}, id="no key"),
        pytest.param([RSA], set(), {"A128GCM"}, id="alg not allowed"),
        pytest.param([RSA], {"RSA-OAEP"}, set(), id="enc not allowed"),
    ],
)
def test_what_is_not_encrypted_to_us_or_not_allowed_is_refused(keys: list[ECKey | RSAKey], algs: set[str], encs: set[str]) -> None:
    with pytest.raises(BadJwt):
        jose.decrypt(ENCRYPTED, keys, algs, encs)


@pytest.mark.parametrize("index", range(5))
def test_an_encrypted_token_with_any_part_altered_is_refused(index: int) -> None:
    parts = ENCRYPTED.split(".")
    parts[index] = "AAAA" + parts[index][4:]

    with pytest.raises(BadJwt):
        jose.decrypt(".".join(parts), [RSA], jose.ASYMMETRIC_KEY_ALGS, jose.CONTENT_ENCS)


@pytest.mark.parametrize("token", ["", GOOD, "a.b.c.d.e", f"{part({'alg': 'RSA-OAEP', 'enc': 'A128GCM', 'zip': 'DEF'})}.AA.AA.AA.AA"])
def test_what_is_no_encrypted_token_is_refused(token: str) -> None:
    with pytest.raises(BadJwt):
        jose.decrypt(token, [RSA], jose.ASYMMETRIC_KEY_ALGS, jose.CONTENT_ENCS)


def test_rsa1_5_is_not_among_the_algorithms() -> None:
    assert "RSA1_5" not in jose.ASYMMETRIC_KEY_ALGS
    with pytest.raises(BadKey):
        jose.encrypt(GOOD, RSA, "RSA1_5", "A128GCM")

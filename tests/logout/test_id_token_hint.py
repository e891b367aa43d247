"""What an `id_token_hint` proves, and all that proves nothing."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

import pytest
from joserfc.jwk import ECKey, RSAKey

from oic_session_ext.crypto import jose
from oic_session_ext.logout.id_token_hint import BadHint, Hint, HintProblem, verify_id_token_hint

ISSUER = "https://op.example.org"
NOW = 1_800_000_000
CLAIMS = {"iss": ISSUER, "sub": "sub-1", "aud": "rp1", "exp": NOW + 3600, "iat": NOW - 10, "sid": "sid-1"}


def rsa(**members: str) -> jose.Key:
    return jose.import_key({**RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True), **members})


SIGNING, RETIRED, FOREIGN, ENCRYPTION, RP_ENCRYPTION = rsa(use="sig"), rsa(use="sig"), rsa(), rsa(use="enc"), rsa(use="enc")
EC = jose.import_key(ECKey.generate_key("P-256", auto_kid=True).as_dict(private=True))
HS_SECRET, OTHER_SECRET = "hs-client-secret-" + "x" * 60, "rp1-client-secret-" + "y" * 60


class Keys:
    """An OP with a rotated key and three clients."""

    clients: ClassVar = {
        "rp1": {"client_secret": OTHER_SECRET, "id_token_signed_response_alg": "RS256"},
        "rp2": {"client_secret": "short"},
        "hs": {"client_secret": HS_SECRET, "id_token_signed_response_alg": "HS256"},
        "weak": {"client_secret": "short", "id_token_signed_response_alg": "HS256"},
        "none": {"id_token_signed_response_alg": "none"},
        "public": {"id_token_signed_response_alg": "HS256"},
    }

    def issuer_keys(self) -> list[jose.Key]:
        return [SIGNING, RETIRED, EC]

    def decryption_keys(self) -> list[jose.Key]:
        return [ENCRYPTION]

    def client(self, client_id: str) -> dict[str, str] | None:
        return self.clients.get(client_id)


def verify(token: str, client_id: str | None = None, now: int = NOW) -> Hint:
    return verify_id_token_hint(token, issuer=ISSUER, client_id=client_id, keys=Keys(), now=now)


def signed(key: jose.Key = SIGNING, alg: str = "RS256", typ: str | None = None, **claims: Any) -> str:
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}
    return jose.sign(merged, key, alg, typ=typ)


def problem_of(token: str, client_id: str | None = None) -> HintProblem:
    with pytest.raises(BadHint) as refused:
        verify(token, client_id)
    return refused.value.problem


def part(value: dict[str, Any] | list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.spec("RI-10", "RI-15", "CO-04", "CO-06")
def test_an_id_token_of_ours_says_whose_it_is_and_for_which_client() -> None:
    assert verify(signed()) == Hint(sub="sub-1", client_id="rp1", sid="sid-1", issued_at=NOW - 10, is_expired=False)


@pytest.mark.parametrize(("key", "alg"), [(SIGNING, "RS512"), (SIGNING, "PS256"), (EC, "ES256")], ids=["RS512", "PS256", "ES256"])
def test_every_asymmetric_algorithm_of_ours_is_proof(key: ECKey | RSAKey, alg: str) -> None:
    assert verify(signed(key, alg)).sub == "sub-1"


@pytest.mark.spec("RI-16")
def test_a_token_signed_with_a_retired_key_still_counts() -> None:
    assert verify(signed(RETIRED)).client_id == "rp1"


@pytest.mark.spec("RI-11", "CO-04")
@pytest.mark.parametrize(("exp", "is_expired"), [(NOW + 1, False), (NOW, True), (NOW - 10 * 365 * 86400, True)])
def test_an_expired_token_counts_and_is_marked(exp: int, is_expired: bool) -> None:
    assert verify(signed(exp=exp)).is_expired is is_expired


def test_a_token_without_sid_counts() -> None:
    assert verify(signed(sid=...)).sid is None


@pytest.mark.spec("RI-10")
def test_a_foreign_signature_proves_nothing() -> None:
    assert problem_of(signed(FOREIGN)) is HintProblem.NOT_PROVEN


@pytest.mark.spec("RI-10")
@pytest.mark.parametrize("client_id", ["rp1", "none"])
def test_alg_none_proves_nothing_even_for_a_client_registered_with_it(client_id: str) -> None:
    token = f"{part({'alg': 'none'})}.{part({**CLAIMS, 'aud': client_id})}."

    assert problem_of(token) is HintProblem.NOT_PROVEN


@pytest.mark.spec("RI-10")
def test_a_token_of_ours_with_its_header_changed_to_none_proves_nothing() -> None:
    _, body, signature = signed().split(".")

    assert problem_of(f"{part({'alg': 'none'})}.{body}.{signature}") is HintProblem.NOT_PROVEN
    assert problem_of(f"{part({'alg': 'none'})}.{body}.") is HintProblem.NOT_PROVEN


@pytest.mark.spec("RI-16")
def test_a_mac_with_the_clients_secret_counts_for_a_client_that_registered_it() -> None:
    assert verify(signed(jose.mac_key(HS_SECRET, "HS256"), "HS256", aud="hs")).client_id == "hs"


@pytest.mark.spec("RI-10")
@pytest.mark.parametrize(
    ("secret", "alg", "claims"),
    [
        pytest.param(OTHER_SECRET, "HS256", {}, id="its own secret, but it registered RS256"),
        pytest.param(OTHER_SECRET, "HS256", {"aud": "hs"}, id="another client's secret"),
        pytest.param(OTHER_SECRET, "HS256", {"aud": ["hs", "rp1"], "azp": "hs"}, id="secret of another audience"),
        pytest.param(HS_SECRET, "HS512", {"aud": "hs"}, id="another MAC than registered"),
        pytest.param("s" * 64, "HS256", {"aud": "public"}, id="a client without secret"),
        pytest.param("short" + "\0" * 59, "HS256", {"aud": "weak"}, id="a secret too short"),
    ],
)
def test_a_mac_proves_nothing_otherwise(secret: str, alg: str, claims: dict[str, Any]) -> None:
    assert problem_of(signed(jose.mac_key(secret, alg), alg, **claims)) is HintProblem.NOT_PROVEN


def test_a_client_that_registered_a_mac_may_still_hold_an_asymmetric_token_of_ours() -> None:
    assert verify(signed(aud="hs")).client_id == "hs"


@pytest.mark.spec("RI-10")
@pytest.mark.parametrize("iss", [ISSUER + "/", "https://OP.example.org", "https://evil.example", "", 1, None, ...])
def test_another_issuer_proves_nothing(iss: Any) -> None:
    assert problem_of(signed(iss=iss)) is HintProblem.WRONG_ISSUER


@pytest.mark.spec("RI-21", "SEC-05")
@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "at+jwt", "secevent+jwt", "dpop+jwt", "JOSE", ""])
def test_a_jwt_of_another_type_is_no_hint(typ: str) -> None:
    assert problem_of(signed(typ=typ)) is HintProblem.NOT_AN_ID_TOKEN


@pytest.mark.parametrize("typ", ["JWT", "jwt", "application/jwt"])
def test_an_explicit_jwt_type_is_fine(typ: str) -> None:
    assert verify(signed(typ=typ)).sub == "sub-1"


@pytest.mark.spec("RI-21", "SEC-05")
@pytest.mark.parametrize("events", [{"http://schemas.openid.net/event/backchannel-logout": {}}, {}, None])
def test_a_logout_token_without_type_is_no_hint(events: dict[str, Any] | None) -> None:
    assert problem_of(signed(events=events)) is HintProblem.NOT_AN_ID_TOKEN


@pytest.mark.spec("RI-21", "WR-09")
@pytest.mark.parametrize("name", ["sub", "aud", "exp", "iat"])
def test_a_jwt_of_ours_without_what_an_id_token_has_is_no_hint(name: str) -> None:
    left_out: dict[str, Any] = {name: ...}

    assert problem_of(signed(**left_out)) is HintProblem.NOT_AN_ID_TOKEN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", ""),
        ("sub", 7),
        ("sub", ["sub-1"]),
        ("sub", "a\nb"),
        ("sub", "s" * 513),
        ("sid", ""),
        ("sid", 7),
        ("sid", "a\x00b"),
        ("exp", "1800003600"),
        ("exp", 1.5),
        ("exp", True),
        ("iat", None),
        ("aud", []),
        ("aud", {}),
        ("aud", [1]),
        ("aud", ""),
        ("aud", ["rp1", None]),
        ("aud", "a\x00b"),
        ("azp", None),
        ("azp", ["rp1"]),
    ],
)
def test_claims_of_a_wrong_type_are_no_id_token(name: str, value: Any) -> None:
    assert problem_of(signed(**{name: value})) is HintProblem.NOT_AN_ID_TOKEN


@pytest.mark.spec("RI-14", "CO-13")
@pytest.mark.parametrize(
    ("claims", "client_id", "issued_to"),
    [
        pytest.param({}, None, "rp1", id="the only aud"),
        pytest.param({}, "rp1", "rp1", id="the only aud, named again"),
        pytest.param({"aud": ["rp1"]}, None, "rp1", id="the only aud, in a list"),
        pytest.param({"aud": ["rp1", "rp2"], "azp": "rp2"}, None, "rp2", id="azp"),
        pytest.param({"aud": ["rp1", "rp2"], "azp": "rp2"}, "rp2", "rp2", id="azp, named again"),
        pytest.param({"aud": ["rp1", "rp2"]}, "rp2", "rp2", id="client_id decides among several"),
    ],
)
def test_the_client_it_was_issued_to_is_found(claims: dict[str, Any], client_id: str | None, issued_to: str) -> None:
    assert verify(signed(**claims), client_id).client_id == issued_to


@pytest.mark.spec("RI-13", "RI-14")
@pytest.mark.parametrize(
    ("claims", "client_id", "problem"),
    [
        pytest.param({}, "rp2", HintProblem.CLIENT_MISMATCH, id="another client_id"),
        pytest.param({}, "RP1", HintProblem.CLIENT_MISMATCH, id="client_id in other case"),
        pytest.param({"aud": ["rp1", "rp2"], "azp": "rp2"}, "rp1", HintProblem.CLIENT_MISMATCH, id="in aud but not azp"),
        pytest.param({"aud": ["rp1", "rp2"]}, "hs", HintProblem.CLIENT_MISMATCH, id="none of several"),
        pytest.param({"aud": ["rp1", "rp2"]}, None, HintProblem.UNKNOWN_CLIENT, id="several and no client_id"),
        pytest.param({"aud": "gone"}, None, HintProblem.UNKNOWN_CLIENT, id="registered no longer"),
    ],
)
def test_no_client_is_guessed(claims: dict[str, Any], client_id: str | None, problem: HintProblem) -> None:
    assert problem_of(signed(**claims), client_id) is problem


@pytest.mark.spec("RI-17", "CO-07")
@pytest.mark.parametrize(("alg", "enc"), [("RSA-OAEP", "A128CBC-HS256"), ("RSA-OAEP-256", "A256GCM")])
def test_a_hint_encrypted_to_our_key_is_read(alg: str, enc: str) -> None:
    assert verify(jose.encrypt(signed(), ENCRYPTION, alg, enc)).client_id == "rp1"


@pytest.mark.spec("RI-17")
def test_the_signature_inside_an_encrypted_hint_is_what_counts() -> None:
    assert problem_of(jose.encrypt(signed(FOREIGN), ENCRYPTION, "RSA-OAEP", "A128GCM")) is HintProblem.NOT_PROVEN


@pytest.mark.spec("RI-21")
def test_the_type_inside_an_encrypted_hint_is_what_counts() -> None:
    assert problem_of(jose.encrypt(signed(typ="logout+jwt"), ENCRYPTION, "RSA-OAEP", "A128GCM")) is HintProblem.NOT_AN_ID_TOKEN


@pytest.mark.spec("RI-19")
def test_a_hint_encrypted_to_the_rp_is_unreadable() -> None:
    assert problem_of(jose.encrypt(signed(), RP_ENCRYPTION, "RSA-OAEP", "A128GCM"), "rp1") is HintProblem.UNREADABLE


def test_a_hint_encrypted_twice_is_unreadable() -> None:
    once = jose.encrypt(signed(), ENCRYPTION, "RSA-OAEP", "A128GCM")

    assert problem_of(jose.encrypt(once, ENCRYPTION, "RSA-OAEP", "A128GCM")) is HintProblem.UNREADABLE


@pytest.mark.spec("RI-18")
@pytest.mark.parametrize(("alg", "enc"), [("A128KW", "A128CBC-HS256"), ("A256KW", "A128GCM"), ("dir", "A128GCM"), ("dir", "A256CBC-HS512")])
def test_a_hint_encrypted_with_the_named_clients_secret_is_read(alg: str, enc: str) -> None:
    token = jose.encrypt(signed(), jose.encryption_key(OTHER_SECRET, alg, enc), alg, enc)

    assert verify(token, "rp1").client_id == "rp1"


@pytest.mark.spec("RI-18")
@pytest.mark.parametrize("client_id", [None, "rp2", "public", "gone"])
def test_a_hint_encrypted_with_a_secret_is_unreadable_without_its_client(client_id: str | None) -> None:
    token = jose.encrypt(signed(), jose.encryption_key(OTHER_SECRET, "A128KW", "A128GCM"), "A128KW", "A128GCM")

    assert problem_of(token, client_id) is HintProblem.UNREADABLE


@pytest.mark.spec("P8", "RI-19")
@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "a.b.c.d.e", "....", "..", f"{part([])}.{part(CLAIMS)}.x", f"{part({'alg': 'RS256'})}.{part([])}.x", "é.é.é"]
    + [
        f"{part({'alg': alg, 'enc': enc})}.AA.AA.AA.AA"
        for alg in ("RSA1_5", "PBES2-HS256+A128KW", "dir", "ECDH-ES", "x")
        for enc in ("x", 1)
    ]
    + [part({"alg": "RS256"}) + "." + "x" * 20000 + ".x"],
)
def test_garbage_is_a_bad_hint_and_nothing_worse(token: str) -> None:
    assert problem_of(token, "rp1") is HintProblem.UNREADABLE


@pytest.mark.spec("RI-52")
def test_the_error_does_not_hold_the_token() -> None:
    token = signed(FOREIGN)

    with pytest.raises(BadHint) as refused:
        verify(token)
    error: BaseException | None = refused.value
    while error is not None:
        assert token[:20] not in str(error)
        error = error.__cause__

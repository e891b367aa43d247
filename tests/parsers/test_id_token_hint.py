"""`id_token_hint` against whatever comes: an ID Token of ours, or `BadHint`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from oic_session_ext.crypto import jose
from oic_session_ext.logout.id_token_hint import BadHint, Hint, verify_id_token_hint

from .whatever import ANY_JSON, ANY_TEXT, budget, jwt_of_nobody, spoilt

pytestmark = pytest.mark.fuzz

ISSUER = "https://op.example.org"
NOW = 1_800_000_000
CLAIMS = {"iss": ISSUER, "sub": "sub-1", "aud": "web", "exp": NOW + 3600, "iat": NOW - 10, "sid": "sid-1"}
SECRET = "a client secret of more than 32 characters"


def rsa(use: str) -> jose.Key:
    return jose.import_key({**RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True), "use": use})


SIGNING, FOREIGN, ENCRYPTION = rsa("sig"), rsa("sig"), rsa("enc")
EC = jose.import_key(ECKey.generate_key("P-256", auto_kid=True).as_dict(private=True))
MAC = jose.mac_key(SECRET, "HS256")


class Keys:
    """An OP with two signing keys, one for encryption, and two clients."""

    def issuer_keys(self) -> Sequence[jose.Key]:
        return [SIGNING, EC]

    def decryption_keys(self) -> Sequence[jose.Key]:
        return [ENCRYPTION]

    def client(self, client_id: str) -> Mapping[str, Any] | None:
        clients = {"web": {"client_secret": "short"}, "mac": {"client_secret": SECRET, "id_token_signed_response_alg": "HS256"}}
        return clients.get(client_id)


OURS = {
    jose.sign(CLAIMS, SIGNING, "RS256"): Hint("sub-1", "web", "sid-1", NOW - 10, is_expired=False),
    jose.sign(CLAIMS | {"sub": "sub-2"}, EC, "ES256"): Hint("sub-2", "web", "sid-1", NOW - 10, is_expired=False),
    jose.sign(CLAIMS | {"aud": ["mac"]}, MAC, "HS256"): Hint("sub-1", "mac", "sid-1", NOW - 10, is_expired=False),
}
ENCRYPTED = jose.encrypt(next(iter(OURS)), ENCRYPTION, "RSA-OAEP-256", "A128GCM")
HEADER = {"alg": "RS256", "kid": SIGNING.kid, "typ": "JWT"}


def hint_of(token: str, client_id: str | None = None) -> Hint | None:
    """The hint, None where it is refused as it should be; any other error is a fault."""
    try:
        return verify_id_token_hint(token, issuer=ISSUER, client_id=client_id, keys=Keys(), now=NOW)
    except BadHint:
        return None


@pytest.mark.spec("RI-10")
@budget(50)
@given(token=st.one_of(spoilt(*OURS, ENCRYPTED), jwt_of_nobody(HEADER, CLAIMS), ANY_TEXT), client_id=st.one_of(st.none(), ANY_TEXT))
def test_nothing_counts_but_what_we_signed(token: str, client_id: str | None) -> None:
    # what is signed is the text before the last dot; of the rest base64 and ES256 know more than one spelling
    known = {text.rpartition(".")[0]: hint for text, hint in OURS.items()}
    hint = hint_of(token, client_id)

    assert hint in (None, known.get(token.rpartition(".")[0], OURS[next(iter(OURS))] if token.count(".") == 4 else None))


@pytest.mark.spec("RI-10")
@budget(15)
@given(
    claims=st.dictionaries(st.sampled_from([*CLAIMS, "azp", "events", "x"]), ANY_JSON, max_size=3),
    header=st.sampled_from([SIGNING, FOREIGN]),
)
def test_what_anybody_signed_is_a_hint_only_with_our_key_and_names_for_names(claims: dict[str, Any], header: jose.Key) -> None:
    hint = hint_of(jose.sign({**CLAIMS, **claims}, header, "RS256"))

    if hint is not None:
        assert header is SIGNING
        assert hint.sub == {**CLAIMS, **claims}["sub"]
        assert hint.sub.isprintable()


@pytest.mark.spec("RI-10")
@budget(15)
@given(inner=st.one_of(ANY_TEXT.map(lambda text: text.encode("ascii", "replace").decode()), jwt_of_nobody(HEADER, CLAIMS)))
def test_what_anybody_encrypted_to_us_proves_nothing(inner: str) -> None:
    assert hint_of(jose.encrypt(inner, ENCRYPTION, "RSA-OAEP-256", "A128GCM")) is None


@budget(15)
@given(
    sub=st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=500),
    sid=st.one_of(st.none(), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)),
    exp=st.integers(0, 2**40),
    is_encrypted=st.booleans(),
)
def test_what_we_signed_is_read_as_it_was_meant(sub: str, sid: str | None, exp: int, is_encrypted: bool) -> None:
    token = jose.sign(CLAIMS | {"sub": sub, "sid": sid, "exp": exp}, EC, "ES256")

    read = hint_of(jose.encrypt(token, ENCRYPTION, "RSA-OAEP-256", "A128GCM") if is_encrypted else token)

    assert read == Hint(sub, "web", sid, NOW - 10, is_expired=exp <= NOW)

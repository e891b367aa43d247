"""What the example RP's client believes of an OP, and what it refuses."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import RSAKey
from openid_client import OpenIdClient, OpUnreachable, SignInRefused

from tests.examples.fake_op import FakeOp

CALLBACK = "http://localhost:8081/callback"


def client_of(op: FakeOp, **options: Any) -> OpenIdClient:
    """A fresh client, which has not looked at the OP yet."""
    return OpenIdClient(op.issuer, "client a", "s3cret+%", **options)


def answer_of(url: str) -> dict[str, str]:
    """Follow an authentication request as a browser would; the parameters that arrive at the redirect URI."""
    location = requests.get(url, allow_redirects=False, timeout=5).headers["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def sign_in(op: FakeOp, client: OpenIdClient | None = None) -> Any:
    """A whole sign-in; the identity."""
    client = client or client_of(op)
    url, _, pending = client.begin(CALLBACK)
    return client.finish(pending, answer_of(url))


def test_a_valid_answer_gives_the_identity(op: FakeOp) -> None:
    identity = sign_in(op)

    assert (identity.sub, identity.sid, identity.auth_time) == ("alice-sub", "sid-1", 1_700_000_000)
    assert identity.session_state == "state0.salt"


def test_the_request_carries_pkce_s256_state_and_nonce(op: FakeOp) -> None:
    sign_in(op)

    request = op.authorize_requests[0]
    assert request["code_challenge_method"] == "S256"
    assert len(request["state"]) >= 32
    assert len(request["nonce"]) >= 32
    assert request["scope"] == "openid profile"
    assert request["response_type"] == "code"


def test_the_client_secret_is_form_encoded_before_basic_authentication(op: FakeOp) -> None:
    sign_in(op)

    scheme, credentials = op.token_requests[0]["authorization"].split()
    assert scheme == "Basic"
    assert base64.b64decode(credentials) == b"client+a:s3cret%2B%25"


def test_an_id_token_with_a_foreign_signature_is_refused(op: FakeOp) -> None:
    op.signing_key = RSAKey.generate_key(2048)

    with pytest.raises(SignInRefused, match="not valid"):
        sign_in(op)


def test_an_unsigned_id_token_is_refused(op: FakeOp, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsigned(asked: dict[str, str]) -> str:
        claims = {"iss": op.issuer, "sub": "alice-sub", "aud": "client a", "nonce": asked["nonce"], "iat": 1, "exp": int(time.time()) + 99}
        parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims))
        return ".".join(parts) + "."

    monkeypatch.setattr(op, "id_token", unsigned)

    with pytest.raises(SignInRefused, match="not valid"):
        sign_in(op)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "https://other.example"}, id="another issuer"),
        pytest.param({"aud": "client b"}, id="another client"),
        pytest.param({"aud": ["client a", "client b"], "azp": "client a"}, id="a second audience"),
        pytest.param({"azp": "client b"}, id="authorized for another client"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"exp": 1_700_000_000}, id="expired"),
        pytest.param({"exp": None}, id="no expiry"),
        pytest.param({"exp": "soon"}, id="expiry that is no number"),
        pytest.param({"iat": None}, id="no time of issue"),
        pytest.param({"nonce": "other"}, id="another nonce"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"nonce": ["other"]}, id="nonce that is a list"),
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"sub": 7}, id="subject that is no string"),
        pytest.param({"at_hash": "AAAA"}, id="the hash of another access token"),
    ],
)
def test_an_id_token_with_wrong_claims_is_refused(op: FakeOp, claims: dict[str, Any]) -> None:
    op.claims = claims

    with pytest.raises(SignInRefused) as refusal:
        sign_in(op)

    assert refusal.value.error == "invalid_id_token"


@pytest.mark.spec("SEC-05")
def test_a_logout_token_does_not_pass_for_an_id_token(op: FakeOp) -> None:
    op.header = {**op.header, "typ": "logout+jwt"}

    with pytest.raises(SignInRefused, match="somebody else"):
        sign_in(op)


def test_a_key_that_the_op_rotated_in_is_fetched(op: FakeOp, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(op)
    sign_in(op, client)
    new = RSAKey.generate_key(2048, {"kid": "k2"})
    monkeypatch.setattr(op, "key", new)
    op.signing_key, op.header = new, {"alg": "RS256", "kid": "k2"}

    assert sign_in(op, client).sub == "alice-sub"


@pytest.mark.parametrize("error", ["access_denied", "login_required"])
def test_an_error_answer_is_refused_with_its_code(op: FakeOp, error: str) -> None:
    op.answer = {"code": None, "error": error}

    with pytest.raises(SignInRefused) as refusal:
        sign_in(op)

    assert refusal.value.error == error
    assert op.token_requests == []


def test_an_answer_of_another_issuer_is_refused_before_the_code_is_sent(op: FakeOp) -> None:
    op.answer = {"iss": "https://other.example"}

    with pytest.raises(SignInRefused, match="another OpenID Provider"):
        sign_in(op)

    assert op.token_requests == []


def test_an_answer_that_comes_too_late_is_refused(op: FakeOp) -> None:
    clock = [int(time.time())]
    client = client_of(op, now=lambda: clock[0])
    url, _, pending = client.begin(CALLBACK)
    answer = answer_of(url)
    clock[0] += 601

    with pytest.raises(SignInRefused, match="too long"):
        client.finish(pending, answer)


def test_a_code_that_the_op_refuses_signs_nobody_in(op: FakeOp) -> None:
    op.answer = {"code": "stolen"}

    with pytest.raises(SignInRefused) as refusal:
        sign_in(op)

    assert refusal.value.error == "invalid_grant"


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"issuer": "https://other.example"}, id="another issuer"),
        pytest.param({"token_endpoint": None}, id="no token endpoint"),
    ],
)
def test_a_discovery_document_that_is_wrong_is_not_used(op: FakeOp, metadata: dict[str, Any]) -> None:
    op.metadata = metadata

    with pytest.raises(OpUnreachable):
        client_of(op).begin(CALLBACK)


def test_an_op_that_is_down_is_tried_again_at_the_next_use(op: FakeOp) -> None:
    client = client_of(op)
    op.metadata = {"jwks_uri": None}
    with pytest.raises(OpUnreachable):
        client.begin(CALLBACK)
    op.metadata = {}

    assert sign_in(op, client).sub == "alice-sub"


def test_userinfo_of_another_user_is_not_used(op: FakeOp) -> None:
    client = client_of(op)
    identity = sign_in(op, client)
    assert client.display_name(identity) == "<alice-sub> the tester"
    op.sub = "bob-sub"

    assert client.display_name(identity) == "alice-sub"


@pytest.mark.spec("RP-10")
def test_the_logout_url_keeps_the_query_of_the_endpoint(op: FakeOp) -> None:
    url = client_of(op).logout_url("the.id.token", "http://localhost:8081/signed-out", "a&b")

    assert url is not None
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["1"],
        "id_token_hint": ["the.id.token"],
        "post_logout_redirect_uri": ["http://localhost:8081/signed-out"],
        "state": ["a&b"],
    }


def test_there_is_no_logout_url_where_the_op_has_no_end_session_endpoint(op: FakeOp) -> None:
    op.metadata = {"end_session_endpoint": None}

    assert client_of(op).logout_url("the.id.token", "http://localhost:8081/signed-out", "s") is None

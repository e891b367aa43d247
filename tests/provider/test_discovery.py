"""The discovery document and the keys: what is on and true, nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from oic.oauth2.provider import Provider as OAuthProvider

from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import OpKeys, generate_private_jwks, key_jar
from tests.provider.conftest import Browser, MakeOp, Op

from .conftest import ISSUER, Answer

# IANA's "OAuth Authorization Server Metadata" (RFC 8414 and OpenID Connect's own), as far as this OP could come to use it
REGISTERED_NAMES = {
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "registration_endpoint",
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "service_documentation",
    "ui_locales_supported",
    "op_policy_uri",
    "op_tos_uri",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported",
    "userinfo_endpoint",
    "acr_values_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "id_token_encryption_alg_values_supported",
    "id_token_encryption_enc_values_supported",
    "userinfo_signing_alg_values_supported",
    "userinfo_encryption_alg_values_supported",
    "userinfo_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported",
    "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported",
    "display_values_supported",
    "claim_types_supported",
    "claims_supported",
    "claims_locales_supported",
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_request_uri_registration",
    "require_signed_request_object",
    "prompt_values_supported",
    "check_session_iframe",
    "end_session_endpoint",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "authorization_response_iss_parameter_supported",
}


@pytest.fixture
def metadata(op: Op) -> dict[str, Any]:
    return Answer.of(op.provider.providerinfo_endpoint()).json


@pytest.mark.spec("MD-01")
def test_the_session_endpoints_are_told(metadata: dict[str, Any]) -> None:
    assert metadata["check_session_iframe"] == f"{ISSUER}/check_session"
    assert metadata["end_session_endpoint"] == f"{ISSUER}/end_session"


@pytest.mark.spec("MD-05")
def test_the_iframe_is_of_the_issuers_origin(metadata: dict[str, Any]) -> None:
    assert metadata["check_session_iframe"].startswith(metadata["issuer"] + "/")


def test_the_session_endpoints_are_where_the_document_says(op: Op, metadata: dict[str, Any]) -> None:
    browser = op.browser()

    for name in ("check_session_iframe", "end_session_endpoint"):
        assert browser.open(metadata[name].removeprefix(ISSUER)).status == 200


@pytest.mark.spec("MD-02", "MD-06")
def test_both_channels_are_told_with_sid_as_json_booleans(metadata: dict[str, Any]) -> None:
    for channel in ("frontchannel", "backchannel"):
        assert metadata[f"{channel}_logout_supported"] is True
        assert metadata[f"{channel}_logout_session_supported"] is True


LOGOUT_NAMES = {
    "frontchannel": {"frontchannel_logout_supported", "frontchannel_logout_session_supported"},
    "backchannel": {"backchannel_logout_supported", "backchannel_logout_session_supported"},
    "check_session": {"check_session_iframe"},
}


@pytest.mark.spec("MD-04")
@pytest.mark.parametrize("only", [*LOGOUT_NAMES, None])
def test_each_feature_is_told_only_where_it_is_on(make_op: MakeOp, only: str | None) -> None:
    op = make_op(
        delivery={"frontchannel": only == "frontchannel", "backchannel": only == "backchannel"}, check_session=only == "check_session"
    )

    names = set(Answer.of(op.provider.providerinfo_endpoint()).json)

    assert {name for name in names if "logout" in name or "session" in name} == {"end_session_endpoint"} | LOGOUT_NAMES.get(
        only or "", set()
    )


@pytest.mark.spec("MD-04")
def test_an_op_without_session_management_does_not_speak_of_logout(hardened: Op) -> None:
    names = set(Answer.of(hardened.provider.providerinfo_endpoint()).json)

    assert not {name for name in names if "logout" in name or "session" in name}


@pytest.mark.spec("OIDCD-3")
def test_every_name_is_registered_and_no_promise_is_false(metadata: dict[str, Any]) -> None:
    assert set(metadata) <= REGISTERED_NAMES
    assert {name for name, value in metadata.items() if value is False} <= {
        "request_parameter_supported",
        "request_uri_parameter_supported",  # absent it would mean true
    }
    assert metadata["authorization_response_iss_parameter_supported"] is True


def test_neither_none_nor_rsa1_5_is_offered(metadata: dict[str, Any]) -> None:
    assert metadata["id_token_signing_alg_values_supported"][0] == "RS256"
    for name, value in metadata.items():
        if "alg" in name:
            assert "none" not in value, name
            assert "RSA1_5" not in value, name


def test_request_objects_are_offered_from_registered_addresses_alone(metadata: dict[str, Any]) -> None:
    assert metadata["request_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is True
    assert metadata["require_request_uri_registration"] is True


@pytest.mark.spec("OIDCD-3")
def test_what_is_offered_works(op: Op, metadata: dict[str, Any]) -> None:
    browser = op.browser()
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    for response_type in metadata["response_types_supported"]:
        for mode in metadata["response_modes_supported"]:
            if (response_type, mode) not in {(one, "query") for one in metadata["response_types_supported"] if one != "code"}:
                answer = browser.authorize(login="alice", response_type=response_type, response_mode=mode)
                assert "error" not in (answer.in_query or answer.in_fragment or answer.form.fields), (response_type, mode)
    for prompt in metadata["prompt_values_supported"]:
        assert browser.authorize(prompt=prompt).status == 303
    for display in metadata["display_values_supported"]:
        assert "code" in browser.authorize(display=display).in_query


@pytest.mark.spec("OIDCD-3")
def test_an_op_that_makes_no_refresh_tokens_does_not_speak_of_them(make_op: MakeOp) -> None:
    op = make_op()
    op.provider.sdb.token_factory["refresh_token"] = None

    metadata = Answer.of(op.provider.providerinfo_endpoint()).json

    assert metadata["grant_types_supported"] == ["authorization_code", "implicit"]
    assert "offline_access" not in metadata["scopes_supported"]
    assert "refresh_token" not in op.browser().sign_in(scope="openid offline_access", prompt="consent")


@pytest.mark.parametrize("alg", ["RS256", "ES256", "HS256"])
def test_every_id_token_alg_that_is_offered_signs(op: Op, metadata: dict[str, Any], alg: str) -> None:
    assert alg in metadata["id_token_signing_alg_values_supported"]
    op.clients["basic"]["id_token_signed_response_alg"] = alg

    assert jose.read_header(op.browser().sign_in()["id_token"])["alg"] == alg


def test_the_document_is_the_same_each_time_and_may_be_cached(op: Op) -> None:
    first, second = (Answer.of(op.provider.providerinfo_endpoint()) for _ in range(2))

    assert first.body == second.body
    assert first.header("Cache-Control") == "public, max-age=300"
    assert first.cookies == {}
    assert "version" not in first.json


def test_an_issuer_with_a_path_keeps_it(make_op: MakeOp) -> None:
    op = make_op()
    op.provider.baseurl = f"{ISSUER}/tenant/"

    metadata = op.provider.create_providerinfo().to_dict()

    assert metadata["token_endpoint"] == f"{ISSUER}/tenant/token"
    assert metadata["check_session_iframe"] == f"{ISSUER}/tenant/check_session"
    assert {route.path for route in op.provider.session_routes()} >= {"/tenant/end_session", "/tenant/check_session"}


def test_an_oauth_provider_in_the_process_does_not_gain_our_endpoints(make_op: MakeOp) -> None:
    before = list(OAuthProvider.endp)

    op = make_op()

    assert OAuthProvider.endp == before
    assert [endpoint.etype for endpoint in op.provider.endp] == ["authorization", "token", "userinfo", "registration", "end_session"]


# -- keys ------------------------------------------------------------------------------------------------------------------


def test_only_public_parts_are_published(op: Op) -> None:
    answer = Answer.of(op.ext.discovery.jwks())

    assert len(answer.json["keys"]) == 3
    for key in answer.json["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)
        assert key["kid"]


def test_a_published_key_verifies_an_id_token(op: Op, browser: Browser) -> None:
    token = browser.sign_in()["id_token"]
    keys = [jose.import_key(key) for key in Answer.of(op.ext.discovery.jwks()).json["keys"]]

    assert jose.verify(token, keys, {"RS256"}).claims["iss"] == ISSUER


def test_a_clients_secret_is_not_among_the_published_keys(op: Op) -> None:
    op.provider.keyjar.add_symmetric("", "a-symmetric-key-of-the-op", usage=["sig"])
    try:
        assert "symmetric" not in Answer.of(op.ext.discovery.jwks()).body
    finally:
        op.provider.keyjar.issuer_keys[""].pop()


@pytest.mark.spec("RI-16")
def test_after_a_rollover_the_old_key_verifies_and_the_new_one_signs() -> None:
    jar = key_jar(generate_private_jwks())
    keys = OpKeys(jar)
    old = jose.sign({"a": 1}, keys.signing_key("RS256"), "RS256")
    for key in jar.issuer_keys[""][0].keys():  # noqa: SIM118 a KeyBundle is no dict
        key.inactive_since = 1
    jar.issuer_keys[""] += key_jar(generate_private_jwks()).issuer_keys[""]

    new = jose.sign({"a": 1}, keys.signing_key("RS256"), "RS256")

    assert jose.read_header(old)["kid"] != jose.read_header(new)["kid"]
    assert jose.verify(old, keys.issuer_keys(), {"RS256"})
    assert jose.verify(new, keys.issuer_keys(), {"RS256"})


def test_generated_keys_survive_being_written_down() -> None:
    jwks = json.loads(json.dumps(generate_private_jwks()))

    assert OpKeys(key_jar(jwks)).signing_algs() == ["RS256", "ES256"]


@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": ["x"]}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AAAA"}]}])
def test_a_key_set_that_cannot_sign_is_refused(jwks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        key_jar(jwks)

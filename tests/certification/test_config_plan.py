"""The plan config, and what the discovery modules of the logout plans look at."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import KeySet, KeySetSerialization

from tests.certification.op_process import OpProcess
from tests.certification.user_agent import UserAgent

REGISTERED = {
    # OpenID Connect Discovery 1.0, 3
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint", "scopes_supported",
    "response_types_supported", "response_modes_supported", "grant_types_supported", "acr_values_supported", "subject_types_supported",
    "id_token_signing_alg_values_supported", "id_token_encryption_alg_values_supported", "id_token_encryption_enc_values_supported",
    "userinfo_signing_alg_values_supported", "userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported", "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported", "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported", "display_values_supported", "claim_types_supported", "claims_supported",
    "service_documentation", "claims_locales_supported", "ui_locales_supported", "claims_parameter_supported",
    "request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration", "op_policy_uri", "op_tos_uri",
    # the logout specifications
    "check_session_iframe", "end_session_endpoint", "frontchannel_logout_supported", "frontchannel_logout_session_supported",
    "backchannel_logout_supported", "backchannel_logout_session_supported",
    # RFC 8414, RFC 9207, RFC 9101, Initiating User Registration
    "code_challenge_methods_supported", "revocation_endpoint", "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported", "introspection_endpoint", "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported", "authorization_response_iss_parameter_supported",
    "require_signed_request_object", "prompt_values_supported",
}  # fmt: skip
PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_the_document_comes_as_json_from_its_well_known_place(op: OpProcess, agent: UserAgent) -> None:
    answer = agent.get("/.well-known/openid-configuration")

    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert answer.json["issuer"] == op.issuer
    assert not urlsplit(op.issuer).query
    assert not urlsplit(op.issuer).fragment


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_every_member_is_in_the_registry(discovery: dict[str, Any]) -> None:
    assert discovery.keys() - REGISTERED == set()


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_every_address_is_https_and_the_ops_own(op: OpProcess, discovery: dict[str, Any]) -> None:
    addresses = [value for name, value in discovery.items() if name.endswith(("_endpoint", "_uri", "_iframe"))]

    assert len(addresses) >= 9
    assert all(address.startswith(f"{op.issuer}/") for address in addresses)


@pytest.mark.module("oidcc-discovery-endpoint-verification")
@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("response_types_supported", {"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}),
        ("grant_types_supported", {"authorization_code", "implicit", "refresh_token"}),
        ("subject_types_supported", {"public", "pairwise"}),
        ("id_token_signing_alg_values_supported", {"RS256"}),
        ("userinfo_signing_alg_values_supported", {"RS256"}),
        ("scopes_supported", {"openid", "profile", "email", "address", "phone", "offline_access"}),
        ("claims_supported", {"sub", "name", "email", "auth_time", "acr"}),
        ("response_modes_supported", {"query", "fragment", "form_post"}),
        ("code_challenge_methods_supported", {"S256"}),
        ("token_endpoint_auth_methods_supported", {"client_secret_basic", "client_secret_post", "private_key_jwt"}),
    ],
)
def test_a_list_holds_what_the_plans_need(discovery: dict[str, Any], member: str, values: set[str]) -> None:
    assert isinstance(discovery[member], list)
    assert len(set(discovery[member])) == len(discovery[member])
    assert values <= set(discovery[member])


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_a_switch_is_a_boolean(discovery: dict[str, Any]) -> None:
    switches = [name for name in discovery if name.endswith("_supported") and not isinstance(discovery[name], list)]

    assert {"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"} <= set(switches)
    assert all(isinstance(discovery[name], bool) for name in switches)


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_the_keys_are_public_distinct_and_each_for_something(agent: UserAgent, discovery: dict[str, Any]) -> None:
    answer = agent.open(discovery["jwks_uri"])
    keys = answer.json["keys"]

    assert KeySet.import_key_set(cast(KeySetSerialization, answer.json)).keys
    assert not any(key.keys() & PRIVATE_PARTS for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)
    assert all(key["use"] in ("sig", "enc") for key in keys)


@pytest.mark.parametrize(
    ("members", "is_right"),
    [
        pytest.param(
            ("end_session_endpoint",),
            lambda value: value.startswith("https://"),
            marks=pytest.mark.module("oidcc-rp-initiated-logout-discovery-endpoint-verification"),
        ),
        pytest.param(
            ("check_session_iframe", "end_session_endpoint"),
            lambda value: value.startswith("https://"),
            marks=pytest.mark.module("oidcc-session-management-discovery-endpoint-verification"),
        ),
        pytest.param(
            ("frontchannel_logout_supported", "frontchannel_logout_session_supported"),
            lambda value: value is True,
            marks=pytest.mark.module("oidcc-frontchannel-logout-discovery-endpoint-verification"),
        ),
        pytest.param(
            ("backchannel_logout_supported", "backchannel_logout_session_supported"),
            lambda value: value is True,
            marks=pytest.mark.module("oidcc-backchannel-logout-discovery-endpoint-verification"),
        ),
    ],
)
@pytest.mark.spec("MD-01", "MD-02", "MD-06")
def test_the_document_says_how_logout_is_done(discovery: dict[str, Any], members: tuple[str, ...], is_right: Any) -> None:
    assert all(is_right(discovery[name]) for name in members)
    assert discovery["end_session_endpoint"].startswith("https://")

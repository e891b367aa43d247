"""The discovery document: what is on and true, nothing else (OpenID Connect Discovery 1.0, 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oic.oic.message import SCOPE2CLAIMS
from oic.oic.provider import AuthorizationEndpoint, RegistrationEndpoint, TokenEndpoint, UserinfoEndpoint
from oic.utils.http_util import Response

from ..clients.registry import RESPONSE_TYPES
from ..clients.request_uris import algs_for
from .authorization.request import DISPLAYS, PROMPTS
from .clients.authentication import ASSERTION_ALGS
from .clients.endpoint import INTROSPECTION_URL, REVOCATION_URL
from .parts import OpParts
from .request.responses import NO_SNIFF, json_response
from .tokens.user_claims import UserClaims

_ENCRYPTION_ALGS = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
_ENCRYPTION_ENCS = ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]


class Discovery:
    """Publishes the provider's metadata in place of pyoidc, which advertises `none`, RSA1_5 and what it cannot do."""

    def __init__(self, parts: OpParts, user_claims: UserClaims) -> None:
        self._parts = parts
        self._user_claims = user_claims

    def metadata(self) -> dict[str, Any]:
        """Return the provider metadata that is true of this OP."""
        found = self._endpoints() | self._abilities()
        self._add_token_services(found)
        return self._parts.policy.metadata(found)

    def _abilities(self) -> dict[str, Any]:
        op, request_objects = self._parts.op, self._parts.policy.request_objects
        own_algs = self._parts.op_keys.signing_algs()
        can_refresh = op.sdb.token_factory["refresh_token"] is not None
        scopes = [scope for scope in SCOPE2CLAIMS if scope != "offline_access"] + ["offline_access"] * can_refresh
        scopes += [scope for scope in op.extra_scope_dict or {} if scope not in scopes]
        claims = {"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce"}
        claims.update(claim for names in self._user_claims.claims_of_scope().values() for claim in names)
        claims.update(op.extra_claims or ())
        found: dict[str, Any] = {
            "scopes_supported": scopes,
            "claims_supported": sorted(claims),
            "claim_types_supported": ["normal"],
            "claims_parameter_supported": True,
            "request_parameter_supported": request_objects.by_value,
            "request_uri_parameter_supported": request_objects.by_reference,  # absent it would mean true
            "response_types_supported": list(RESPONSE_TYPES),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "implicit"] + ["refresh_token"] * can_refresh,
            "subject_types_supported": ["public", "pairwise"],
            "prompt_values_supported": list(PROMPTS),
            "display_values_supported": list(DISPLAYS),
            "ui_locales_supported": self._parts.pages.languages,
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "client_secret_jwt",
                "private_key_jwt",
                "none",
            ],
            "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
            "id_token_signing_alg_values_supported": [*own_algs, "HS256"],
            "userinfo_signing_alg_values_supported": [*own_algs, "HS256"],
            "id_token_encryption_alg_values_supported": _ENCRYPTION_ALGS,
            "id_token_encryption_enc_values_supported": _ENCRYPTION_ENCS,
            "userinfo_encryption_alg_values_supported": _ENCRYPTION_ALGS,
            "userinfo_encryption_enc_values_supported": _ENCRYPTION_ENCS,
            "authorization_response_iss_parameter_supported": True,
        }
        if request_objects.by_value or request_objects.by_reference:
            found["request_object_signing_alg_values_supported"] = algs_for(request_objects)
        if request_objects.by_reference:
            found["require_request_uri_registration"] = True
        acrs = [info["ref"] for info in op.authn_broker.db["info"].values()] if op.authn_broker else []
        if acrs:
            found["acr_values_supported"] = sorted(set(acrs))
        return found

    def _endpoints(self) -> dict[str, Any]:
        parts = self._parts
        found = {
            "issuer": parts.issuer,
            "authorization_endpoint": parts.endpoint_uri(AuthorizationEndpoint.url),
            "token_endpoint": parts.endpoint_uri(TokenEndpoint.url),
            "userinfo_endpoint": parts.endpoint_uri(UserinfoEndpoint.url),
            "jwks_uri": parts.op.jwks_uri or parts.endpoint_uri("jwks.json"),
        }
        if parts.policy.accepts_registration:
            found["registration_endpoint"] = parts.endpoint_uri(RegistrationEndpoint.url)
        return found

    def _add_token_services(self, found: dict[str, Any]) -> None:
        """Add the revocation and introspection endpoints where they are mounted (RFC 8414, 2)."""
        methods, algs = found["token_endpoint_auth_methods_supported"], found["token_endpoint_auth_signing_alg_values_supported"]
        if self._parts.policy.offers_revocation:
            found["revocation_endpoint"] = self._parts.endpoint_uri(REVOCATION_URL)
            found["revocation_endpoint_auth_methods_supported"] = methods
            found["revocation_endpoint_auth_signing_alg_values_supported"] = algs
        if self._parts.policy.offers_introspection:
            found["introspection_endpoint"] = self._parts.endpoint_uri(INTROSPECTION_URL)
            found["introspection_endpoint_auth_methods_supported"] = [method for method in methods if method != "none"]
            found["introspection_endpoint_auth_signing_alg_values_supported"] = algs

    def message(self) -> Any:
        """Return the metadata as pyoidc's message, without the defaults that it fills in by itself."""
        metadata = self.metadata()
        message = self._parts.op.server.message_factory.get_response_type("configuration_endpoint")(**metadata)
        for name in set(message) - set(metadata):  # pyoidc's defaults: discovery does not mention what is off
            del message[name]
        return message

    def answer(self) -> Response:
        """Answer a discovery request with what the OP's `create_providerinfo` returns."""
        return _public(self._parts.op.create_providerinfo().to_dict())

    def jwks(self) -> Response:
        """Answer a request for the OP's public keys (OIDCC-10.1)."""
        return _public(self._parts.op_keys.public_jwks())


def _public(value: Mapping[str, Any]) -> Response:
    response = json_response(value)
    response.headers = [("Content-Type", "application/json"), NO_SNIFF, ("Cache-Control", "public, max-age=300")]
    return response

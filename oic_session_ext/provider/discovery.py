"""The discovery document: what is on and true, nothing else (OpenID Connect Discovery 1.0, 3)."""

from __future__ import annotations

from typing import Any

from oic.oic.message import SCOPE2CLAIMS
from oic.oic.provider import AuthorizationEndpoint, RegistrationEndpoint, TokenEndpoint, UserinfoEndpoint
from oic.utils.http_util import Response

from ..clients.registry import RESPONSE_TYPES
from ..clients.request_uris import algs_for
from .authorization.request import DISPLAYS, PROMPTS
from .clients.authentication import ASSERTION_ALGS
from .request.responses import NO_SNIFF, json_response
from .user_claims import UserClaimsSeam

_ENCRYPTION_ALGS = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
_ENCRYPTION_ENCS = ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]


class DiscoverySeam(UserClaimsSeam):
    """Publishes the provider's metadata in place of pyoidc, which advertises `none`, RSA1_5 and what it cannot do."""

    accepts_registration = False
    """Whether the registration endpoint is on."""

    def metadata(self) -> dict[str, Any]:
        """Return the provider metadata that is true of this OP."""
        base = self.baseurl.rstrip("/")
        own_algs = self.op_keys.signing_algs()
        can_refresh = self.sdb.token_factory["refresh_token"] is not None
        scopes = [scope for scope in SCOPE2CLAIMS if scope != "offline_access"] + ["offline_access"] * can_refresh
        scopes += [scope for scope in self.extra_scope_dict or {} if scope not in scopes]
        claims = {"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce"}
        claims.update(claim for names in self.claims_of_scope().values() for claim in names)
        claims.update(self.extra_claims or ())
        found: dict[str, Any] = {
            "issuer": self.name,
            "authorization_endpoint": f"{base}/{AuthorizationEndpoint.url}",
            "token_endpoint": f"{base}/{TokenEndpoint.url}",
            "userinfo_endpoint": f"{base}/{UserinfoEndpoint.url}",
            "jwks_uri": self.jwks_uri or f"{base}/jwks.json",
            "scopes_supported": scopes,
            "claims_supported": sorted(claims),
            "claim_types_supported": ["normal"],
            "claims_parameter_supported": True,
            "request_parameter_supported": self.request_objects.by_value,
            "request_uri_parameter_supported": self.request_objects.by_reference,  # absent it would mean true
            "response_types_supported": list(RESPONSE_TYPES),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "implicit"] + ["refresh_token"] * can_refresh,
            "subject_types_supported": ["public", "pairwise"],
            "prompt_values_supported": list(PROMPTS),
            "display_values_supported": list(DISPLAYS),
            "ui_locales_supported": self.pages.languages,
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
        if self.request_objects.by_value or self.request_objects.by_reference:
            found["request_object_signing_alg_values_supported"] = algs_for(self.request_objects)
        if self.request_objects.by_reference:
            found["require_request_uri_registration"] = True
        if self.accepts_registration:
            found["registration_endpoint"] = f"{base}/{RegistrationEndpoint.url}"
        acrs = [info["ref"] for info in self.authn_broker.db["info"].values()] if self.authn_broker else []
        if acrs:
            found["acr_values_supported"] = sorted(set(acrs))
        return found

    def create_providerinfo(self, setup: Any = None) -> Any:
        """Return the metadata as pyoidc's message, without the defaults that it fills in by itself."""
        message = self.server.message_factory.get_response_type("configuration_endpoint")(**self.metadata())
        for name in set(message) - set(self.metadata()):  # pyoidc's defaults: what is off is not spoken of
            del message[name]
        return message

    def providerinfo_endpoint(self, handle: Any = "", **kwargs: Any) -> Response:
        """Answer a discovery request."""
        response = json_response(self.create_providerinfo().to_dict())
        response.headers = [("Content-Type", "application/json"), NO_SNIFF, ("Cache-Control", "public, max-age=300")]
        return response

    def jwks_endpoint(self, request: Any = "", **kwargs: Any) -> Response:
        """Answer a request for the OP's public keys (OIDCC-10.1)."""
        response = json_response(self.op_keys.public_jwks())
        response.headers = [("Content-Type", "application/json"), NO_SNIFF, ("Cache-Control", "public, max-age=300")]
        return response

"""The introspection endpoint: is this token good, and for what? (RFC 7662)."""

from __future__ import annotations

from typing import Any

from oic.extension.message import TokenIntrospectionRequest
from oic.utils.http_util import Response

from ...errors import InvalidClient, InvalidRequest
from ..clients.endpoint import ClientEndpointSeam
from ..discovery import DiscoverySeam
from ..request.responses import json_response
from .issued_token import IssuedToken, IssuedTokens, TokenKind, TokenRefused

INTROSPECTION_URL = "introspection"

_KINDS: tuple[TokenKind, ...] = ("access_token", "refresh_token")


class IntrospectionSeam(ClientEndpointSeam, IssuedTokens, DiscoverySeam):
    """Tells confidential clients about their own tokens, and a resource server about every access token.

    A client is a resource server when its metadata says `introspection: any`; no client can register that by itself.
    """

    offers_introspection = False
    """Whether the introspection endpoint is mounted, so that discovery may name it."""

    def introspection_endpoint(self, request: Any = "", authn: str | None = None, **kwargs: Any) -> Response:
        """Answer an introspection request; of a token that is not good, or not the asker's to know of, nothing but that is told.

        `request` is the form body (or a dict), `authn` the Authorization header.
        """

        def answer(params: dict[str, str]) -> Response:
            client_id = self.authenticated_client(TokenIntrospectionRequest(**params), params, authn or None)
            client = self.client(client_id) or {}
            if client.get("token_endpoint_auth_method") == "none":  # whoever calls itself so could try out tokens (RFC 7662, 2.1)
                raise InvalidClient("client authentication failed", detail="introspection by a public client")
            token = params.get("token")
            if not token:
                raise InvalidRequest("token is missing")
            issued = self._good_token(token)
            if issued is None or not _may_know(issued, client_id, client.get("introspection") == "any"):
                return json_response({"active": False})
            return json_response(self._told_of(issued))

        return self.answer_client(request, authn, answer)

    def _good_token(self, token: str) -> IssuedToken | None:
        for kind in _KINDS:
            try:
                issued = self.issued_token(self.open_token(token, kind))
            except TokenRefused:
                continue
            is_good = not issued.opened.is_expired and (kind == "access_token" or self.is_current_refresh_token(issued))
            return issued if is_good else None
        return None

    def _told_of(self, issued: IssuedToken) -> dict[str, Any]:
        """Return what is told of a good token: never the user's name here, of which a client with pairwise `sub` must not know."""
        told: dict[str, Any] = {
            "active": True,
            "iss": self.name,
            "client_id": issued.client_id,
            "sub": issued.row["sub"],
            "scope": " ".join(issued.scope),
            "iat": issued.opened.issued_at,
            "exp": issued.opened.expires_at,
        }
        if issued.opened.kind == "access_token":
            told |= {"token_type": "Bearer", "aud": self.name}
        return told

    def assertion_audiences(self) -> tuple[str, ...]:
        """Return what a client assertion may be addressed to: this endpoint too."""
        return *super().assertion_audiences(), self.endpoint_uri(INTROSPECTION_URL)

    def metadata(self) -> dict[str, Any]:
        """Return the provider metadata with this endpoint's (RFC 8414, 2)."""
        found = super().metadata()
        if self.offers_introspection:
            found["introspection_endpoint"] = self.endpoint_uri(INTROSPECTION_URL)
            methods = found["token_endpoint_auth_methods_supported"]
            found["introspection_endpoint_auth_methods_supported"] = [method for method in methods if method != "none"]
            algs = found["token_endpoint_auth_signing_alg_values_supported"]
            found["introspection_endpoint_auth_signing_alg_values_supported"] = algs
        return found


def _may_know(issued: IssuedToken, client_id: str, is_resource_server: bool) -> bool:
    """A resource server is told of access tokens alone: a refresh token must not pass for one."""
    return issued.client_id == client_id or (is_resource_server and issued.opened.kind == "access_token")

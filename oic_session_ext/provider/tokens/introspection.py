"""The introspection endpoint: is this token good, and for what? (RFC 7662)."""

from __future__ import annotations

from typing import Any

from oic.extension.message import TokenIntrospectionRequest
from oic.utils.http_util import Response

from ...errors import InvalidClient, InvalidRequest
from ..clients.endpoint import ClientEndpoint
from ..parts import OpParts
from ..request.responses import json_response
from .issued_token import IssuedToken, IssuedTokens, TokenKind, TokenRefused

_KINDS: tuple[TokenKind, ...] = ("access_token", "refresh_token")


class IntrospectionEndpoint:
    """Describes tokens to confidential clients: their own, and to a resource server every access token.

    A client is a resource server if its metadata has `introspection: any`; no client can register that by itself.
    """

    def __init__(self, parts: OpParts, client_endpoint: ClientEndpoint, issued_tokens: IssuedTokens) -> None:
        self._parts = parts
        self._client_endpoint = client_endpoint
        self._issued_tokens = issued_tokens

    def answer(self, request: Any, authn: str | None = None) -> Response:
        """Answer an introspection request; of a token that is not good, or not for this client to know, only that is returned.

        `request` is the form body (or a dict), `authn` the Authorization header.
        """

        def introspect(params: dict[str, str]) -> Response:
            client_id = self._client_endpoint.authenticate(TokenIntrospectionRequest(**params), params, authn or None)
            client = self._parts.client(client_id) or {}
            if client.get("token_endpoint_auth_method") == "none":  # any caller could use its client_id to try out tokens (RFC 7662, 2.1)
                raise InvalidClient("client authentication failed", detail="introspection by a public client")
            token = params.get("token")
            if not token:
                raise InvalidRequest("token is missing")
            issued = self._good_token(token)
            if issued is None or not _may_know(issued, client_id, client.get("introspection") == "any"):
                return json_response({"active": False})
            return json_response(self._description_of(issued))

        return self._client_endpoint.answer(request, authn, introspect)

    def _good_token(self, token: str) -> IssuedToken | None:
        for kind in _KINDS:
            try:
                issued = self._issued_tokens.issued_token(self._issued_tokens.open_token(token, kind))
            except TokenRefused:
                continue
            is_good = not issued.opened.is_expired and (kind == "access_token" or self._issued_tokens.is_current_refresh_token(issued))
            return issued if is_good else None
        return None

    def _description_of(self, issued: IssuedToken) -> dict[str, Any]:
        """Return the description of a good token: never the user's name here, of which a client with pairwise `sub` must not know."""
        described: dict[str, Any] = {
            "active": True,
            "iss": self._parts.issuer,
            "client_id": issued.client_id,
            "sub": issued.row["sub"],
            "scope": " ".join(issued.scope),
            "iat": issued.opened.issued_at,
            "exp": issued.opened.expires_at,
        }
        if issued.opened.kind == "access_token":
            described |= {"token_type": "Bearer", "aud": self._parts.issuer}
        return described


def _may_know(issued: IssuedToken, client_id: str, is_resource_server: bool) -> bool:
    """Return whether a client may know of a token; a resource server only of access tokens: a refresh token must not pass for one."""
    return issued.client_id == client_id or (is_resource_server and issued.opened.kind == "access_token")

"""The revocation endpoint: a client gives back what it does not need any more (RFC 7009)."""

from __future__ import annotations

from typing import Any

from oic.extension.message import TokenRevocationRequest
from oic.utils.http_util import Response

from ...errors import InvalidGrant, InvalidRequest
from ..clients.endpoint import ClientEndpoint
from ..request.responses import NO_STORE, RawResponse
from .issued_token import IssuedToken, IssuedTokens, TokenKind, TokenRefused

_KINDS: tuple[TokenKind, ...] = ("refresh_token", "access_token")


class RevocationEndpoint:
    """Ends the grant of a token that its client revokes."""

    def __init__(self, client_endpoint: ClientEndpoint, issued_tokens: IssuedTokens) -> None:
        self._client_endpoint = client_endpoint
        self._issued_tokens = issued_tokens

    def answer(self, request: Any, authn: str | None = None) -> Response:
        """Answer a revocation request: 200 once the token is good for nothing, also when it never was (RFC 7009, 2.2).

        `request` is the form body (or a dict), `authn` the Authorization header; a public client names itself by `client_id`. The whole
        grant ends, access and refresh tokens alike (RFC 7009, 2.1: SHOULD for a refresh token, MAY for an access token).
        """

        def revoke(params: dict[str, str]) -> Response:
            client_id = self._client_endpoint.authenticate(TokenRevocationRequest(**params), params, authn or None)
            self._revoke(params, client_id)
            return RawResponse(b"", 200, NO_STORE)

        return self._client_endpoint.answer(request, authn, revoke)

    def _revoke(self, params: dict[str, str], client_id: str) -> None:
        token = params.get("token")
        if not token:
            raise InvalidRequest("token is missing")
        issued = self._revocable(token)
        if issued is None:
            return
        if issued.client_id != client_id:  # RFC 7009, 2.1: the request is refused
            raise InvalidGrant("this token was issued to another client")
        self._issued_tokens.end_grant(issued.opened.grant_id)

    def _revocable(self, token: str) -> IssuedToken | None:
        """Return the token when it is good for anything. The token itself has its kind, so no hint is needed."""
        for kind in _KINDS:
            try:
                issued = self._issued_tokens.issued_token(self._issued_tokens.open_token(token, kind))
            except TokenRefused:
                continue
            return None if issued.opened.is_expired else issued
        return None

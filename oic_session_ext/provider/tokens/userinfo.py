"""The userinfo endpoint: claims for a good access token, a challenge for everything else (OIDCC-5.3; RFC 6750)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from jwkest.jwe import JWEException
from jwkest.jws import NoSuitableSigningKeys
from oic.exception import FailedAuthentication
from oic.utils.http_util import Response

from ...errors import InvalidRequest, InvalidToken, ProtocolError
from ...web.parameters import parse_parameters, single_values
from ..parts import OpParts
from ..request.responses import NO_SNIFF, NO_STORE, RawResponse, bearer_refusal, json_response
from .id_token import IdTokens
from .issued_token import IssuedTokens, TokenRefused


class TokenMissing(InvalidToken):
    """No access token came at all, so the challenge names no error (RFC 6750, 3.1)."""


class UserinfoEndpoint:
    """Returns claims in place of pyoidc, which answers 500 if the session is gone, or if a code comes as a token."""

    def __init__(self, parts: OpParts, issued_tokens: IssuedTokens, id_tokens: IdTokens) -> None:
        self._parts = parts
        self._issued_tokens = issued_tokens
        self._id_tokens = id_tokens

    def answer(self, request: Any, authn: str | None) -> Response:
        """Answer a userinfo request; the token may come in the Authorization header or in the form body.

        `request` is the form body (or a dict), `authn` the Authorization header.
        """

        def work(_: Any) -> Response:
            try:
                response: Response = self._parts.op._do_user_info(_bearer_token(request, authn))
                return response
            except ProtocolError as err:
                return bearer_refusal(err, realm=self._parts.issuer, names_error=not isinstance(err, TokenMissing))

        return self._parts.transactions.run(work, refuse=self._parts.refuse_as_json)

    def claims_response(self, token: str) -> Response:
        """Return the claims for an access token, in the form that its client registered. Raises: ProtocolError: it is refused."""
        try:
            issued = self._issued_tokens.issued_token(self._issued_tokens.open_token(token, "access_token"))
        except TokenRefused as err:
            raise InvalidToken("this access token is not good", detail=str(err)) from err
        if issued.opened.is_expired:
            raise InvalidToken("this access token is not good", detail="expired")
        if "openid" not in issued.scope:
            raise ProtocolError("the openid scope is missing", error="insufficient_scope", status=403)
        row = {**issued.row, "scope": list(issued.scope)}
        try:
            claims = self._parts.op.schema(**self._parts.op._collect_user_info(row)).to_dict()
        except FailedAuthentication as err:  # the request asked for the claims of another user
            raise InvalidToken("the claims asked for are not this user's") from err
        return self._in_registered_form(claims, issued.client_id)

    def _in_registered_form(self, claims: Mapping[str, Any], client_id: str) -> Response:
        """Return the claims as the client registered: as JSON, signed, encrypted, or both (OIDCC-5.3.2)."""
        op = self._parts.op
        client = op.cdb[client_id]
        alg = client.get("userinfo_signed_response_alg")
        if not alg and "userinfo_encrypted_response_alg" not in client:
            return json_response(claims)
        try:
            jwt = (
                self._id_tokens.sign_for({**claims, "iss": self._parts.issuer, "aud": client_id}, alg, client_id)
                if alg
                else op.schema(**claims).to_json()
            )
            if "userinfo_encrypted_response_alg" in client:
                jwt = op.encrypt(jwt, client, client_id, "userinfo", "JWT" if alg else "")
        except (JWEException, NoSuitableSigningKeys) as err:
            raise InvalidRequest("the claims cannot be signed or encrypted as registered", detail=str(err)) from err
        return RawResponse(jwt.encode(), 200, [("Content-Type", "application/jwt"), NO_SNIFF, *NO_STORE])


def _bearer_token(request: Any, authn: str | None) -> str:
    text = urlencode(request) if isinstance(request, Mapping) else request or ""
    in_body = single_values(parse_parameters(text)).get("access_token")
    scheme, _, in_header = (authn or "").partition(" ")
    if in_body and authn:
        raise InvalidRequest("the token came in two ways")
    if in_body:
        return in_body
    if scheme.lower() != "bearer" or not in_header.strip():
        raise TokenMissing("an access token is needed")
    return in_header.strip()

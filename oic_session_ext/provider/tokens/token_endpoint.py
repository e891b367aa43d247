"""The token endpoint: a code, or a refresh token, traded for tokens once (RFC 6749, 4.1.3, 5 and 6; OIDCC-3.1.3, -12)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from typing import Any

from jwkest.jwe import JWEException
from jwkest.jws import NoSuitableSigningKeys
from oic.oic.message import AccessTokenRequest, RefreshAccessTokenRequest
from oic.utils.http_util import Response

from ...clients.registry import has_refresh_grant
from ...errors import InvalidGrant, InvalidRequest, ProtocolError
from ..clients.endpoint import ClientEndpoint
from ..parts import OpParts
from ..request.responses import json_response
from ..session_db.sealed_token import SealedToken
from .issued_token import IssuedToken, IssuedTokens, OpenedToken, TokenKind, TokenRefused

_LOCKS = 64
_PKCE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_MAX_NARROWED_SCOPE = 1000
"""A narrowed scope travels in the access token, which is a header of every request that it is used for."""


class TokenEndpoint:
    """Gives out tokens in place of pyoidc, which lets one client redeem another's code."""

    def __init__(self, parts: OpParts, client_endpoint: ClientEndpoint, issued_tokens: IssuedTokens) -> None:
        self._parts = parts
        self._client_endpoint = client_endpoint
        self._issued_tokens = issued_tokens
        self._grant_locks = [threading.Lock() for _ in range(_LOCKS)]

    def answer(self, request: Any, authn: str | None) -> Response:
        """Answer a token request with tokens or with the error codes of RFC 6749, 5.2.

        `request` is the form body (or a dict), `authn` the Authorization header. pyoidc answers 500 to a missing parameter,
        `unauthorized_client` to a bad code, and gives one client's code to another.
        """
        return self._client_endpoint.answer(request, authn, lambda params: self._grant_tokens(params, authn or None))

    def _grant_tokens(self, params: dict[str, str], authn: str | None) -> Response:
        grant_type = params.get("grant_type")
        if not grant_type:
            raise InvalidRequest("grant_type is missing")
        request_class = RefreshAccessTokenRequest if grant_type == "refresh_token" else AccessTokenRequest
        areq = request_class().from_dict(params)
        areq["client_id"] = self._client_endpoint.authenticate(areq, params, authn)
        client = self._parts.client(areq["client_id"]) or {}
        if client.get("id_token_encrypted_response_alg"):
            self._parts.public_keys.prefetch(client)  # before a grant's lock is taken: no other request waits for this client's server
        redeem = {"authorization_code": self._parts.op.code_grant_type, "refresh_token": self._parts.op.refresh_token_grant_type}
        if grant_type not in redeem:
            raise ProtocolError("this grant_type is not supported", error="unsupported_grant_type")
        response: Response = redeem[grant_type](areq)
        return response

    # -- codes --------------------------------------------------------------------------------------------------------

    def redeem_code(self, areq: Any) -> Response:
        """Redeem a code: once, by the client it was given to, in time, with its redirect URI and PKCE verifier.

        A second try ends the grant and so everything issued from it (RFC 6749, 4.1.2).
        """
        opened = self._open(areq, "code")
        with self._lock_of(opened):
            issued = self._issued_to(areq, opened)
            if issued.row.get("code_used"):
                self._issued_tokens.end_grant(opened.grant_id)
                raise _refused("code", "used before: its tokens are revoked")
            if opened.is_expired:
                raise _refused("code", "expired")
            if areq.get("redirect_uri", "") != issued.row.get("redirect_uri", ""):
                raise _refused("code", "another redirect_uri")
            self._check_pkce(issued.row, areq.get("code_verifier"))
            id_token = self._id_token_of(issued.row)  # first, so that a code is not spent on a token that cannot be made
            tokens = self._parts.op.sdb.upgrade_to_token(opened.text, issue_refresh=self._may_refresh(issued.row))
        return self._token_response(tokens["access_token"], tokens.get("refresh_token"), issued.scope, id_token)

    def _check_pkce(self, row: Mapping[str, Any], verifier: str | None) -> None:
        challenge = _pkce_challenge(row)
        if challenge is None:
            if verifier is not None:
                raise _refused("code", "code_verifier without code_challenge")  # RFC 9700, 2.1.1
            return
        if verifier is None or not _PKCE_VERIFIER.fullmatch(verifier):
            raise _refused("code", "code_verifier missing or malformed")
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not hmac.compare_digest(made, challenge):
            raise _refused("code", "wrong code_verifier")

    def _may_refresh(self, row: Mapping[str, Any]) -> bool:
        """Return whether a grant gets a refresh token: its client registered that, and requested it or need not (OIDCC-11)."""
        if self._parts.op.sdb.token_factory["refresh_token"] is None or not has_refresh_grant(self._parts.client(row["client_id"]) or {}):
            return False
        return self._parts.settings.refresh_without_offline_access or "offline_access" in row.get("scope", ())

    # -- refresh tokens -----------------------------------------------------------------------------------------------

    def refresh(self, areq: Any) -> Response:
        """Trade the refresh token of a grant for new tokens, a new refresh token among them (RFC 6749, 6).

        Every client's refresh token is good once. One that comes again is in two hands, and which is the honest one cannot be known, so
        the whole grant ends (RFC 9700, 4.14.2; docs/adr/0011-tokens-that-come-again.md). `scope` may ask for less than was granted: the
        access token has that, the refresh token keeps all.
        """
        opened = self._open(areq, "refresh_token")
        with self._lock_of(opened):
            issued = self._issued_to(areq, opened)
            if opened.is_expired:
                raise _refused("refresh_token", "expired")
            if not self._issued_tokens.is_current_refresh_token(issued):
                self._issued_tokens.end_grant(opened.grant_id)
                raise _refused("refresh_token", "used before, or its session is over: its grant is revoked")
            scope = self._narrowed(areq.get("scope"), issued.scope)
            id_token = self._id_token_of(_refreshed(issued.row)) if "openid" in scope else None
            access_token, refresh_token = self._renew(issued, scope)
        return self._token_response(access_token, refresh_token, scope, id_token)

    def _narrowed(self, asked: Any, granted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scope of a refreshed access token: all that was granted, or the part of it that was asked for."""
        wanted = asked.split() if isinstance(asked, str) else asked or ()
        if not set(wanted) <= set(granted):
            raise ProtocolError("more scope than was granted", error="invalid_scope")
        if not wanted or not isinstance(self._parts.op.sdb.access_token, SealedToken):  # pyoidc's own tokens are always good for all of it
            return granted
        narrowed = tuple(one for one in granted if one in wanted)
        if narrowed != granted and len(" ".join(narrowed)) > _MAX_NARROWED_SCOPE:
            raise ProtocolError("too long a part of the scope", error="invalid_scope")
        return narrowed

    def _renew(self, issued: IssuedToken, scope: tuple[str, ...]) -> tuple[str, str]:
        narrowing = {} if scope == issued.scope else {"scope": scope}
        grant_id = issued.opened.grant_id
        access_token = self._parts.op.sdb.access_token(sid=grant_id, sinfo=issued.row, **narrowing)
        refresh_token = self._parts.op.sdb.token_factory["refresh_token"](grant_id, sinfo=issued.row)
        self._parts.op.sdb[grant_id] = dict(issued.row, access_token=access_token, refresh_token=refresh_token, oauth_state="token")
        return access_token, refresh_token

    # -- both ---------------------------------------------------------------------------------------------------------

    def _open(self, areq: Any, kind: TokenKind) -> OpenedToken:
        text = areq.get(kind)
        if not text:
            raise InvalidRequest(f"{kind} is missing")
        try:
            return self._issued_tokens.open_token(text, kind)
        except TokenRefused as err:
            raise _refused(kind, str(err)) from err

    def _issued_to(self, areq: Any, opened: OpenedToken) -> IssuedToken:
        try:
            issued = self._issued_tokens.issued_token(opened)
        except TokenRefused as err:
            raise _refused(opened.kind, str(err)) from err
        if issued.client_id != areq["client_id"]:
            raise _refused(opened.kind, "of another client")
        return issued

    def _lock_of(self, opened: OpenedToken) -> threading.Lock:
        """A store decides between servers, this between the threads of a provider that has none."""
        return self._grant_locks[hash(opened.grant_id) % _LOCKS]

    def _id_token_of(self, row: Mapping[str, Any]) -> str | None:
        if "openid" not in row.get("scope", ()):
            return None
        client_id, op = row["client_id"], self._parts.op
        try:
            return str(
                op.sign_encrypt_id_token(row, op.cdb[client_id], {"client_id": client_id}, user_info=op.userinfo_in_id_token_claims(row))
            )
        except (JWEException, NoSuitableSigningKeys) as err:
            raise InvalidRequest("the ID Token cannot be signed or encrypted as registered", detail=str(err)) from err

    def _token_response(self, access_token: str, refresh_token: str | None, scope: tuple[str, ...], id_token: str | None) -> Response:
        answer: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(self._parts.op.sdb.access_token.lifetime),
            "scope": " ".join(scope),
        }
        if refresh_token:
            answer["refresh_token"] = refresh_token
        if id_token:
            answer["id_token"] = id_token
        return json_response(answer)


def _pkce_challenge(row: Mapping[str, Any]) -> str | None:
    """Return the S256 challenge that the authorization request of a grant came with, None for none (RFC 7636)."""
    text = row.get("authzreq", "")
    found = json.loads(text).get("code_challenge") if '"code_challenge"' in text else None
    return found if isinstance(found, str) else None


def _refreshed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a refreshed ID Token is made from: the login it speaks of is the old one, the `nonce` was for the first (OIDCC-12.2)."""
    return {name: value for name, value in row.items() if name != "nonce"}


def _refused(kind: TokenKind, detail: str) -> InvalidGrant:
    """Return the one answer to every bad code or refresh token: what was wrong is for the operator's log."""
    return InvalidGrant(f"this {kind.replace('_', ' ')} is not good", detail=detail)

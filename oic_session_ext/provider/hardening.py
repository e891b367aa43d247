"""The protocol fixes that an OP on pyoidc needs before anybody can trust it with a login.

`HardeningMixin` stands before the provider that it hardens: `class MyOP(HardeningMixin, Provider)`. Each method says which behaviour
of pyoidc it replaces.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from jwkest.jwe import JWEException
from jwkest.jws import NoSuitableSigningKeys
from oic.exception import FailedAuthentication, PyoidcError, RedirectURIError
from oic.oic.message import AccessTokenRequest, RefreshAccessTokenRequest
from oic.oic.provider import TokenEndpoint
from oic.utils.authn.client import verify_client
from oic.utils.http_util import Response

from .. import jose
from ..errors import InvalidClient, InvalidGrant, InvalidRequest, InvalidToken, ProtocolError
from ..parameters import parse_parameters, single_values
from .authorization import AuthorizationSeam
from .client_authentication import ClientAuthentication
from .discovery import DiscoverySeam
from .id_token import IdTokenSeam
from .responses import json_error, json_response

_LOCKS = 64
_PKCE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class HardeningMixin(DiscoverySeam, IdTokenSeam, AuthorizationSeam):
    """Token, userinfo and discovery endpoints that a certified OP can stand on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._code_locks = [threading.Lock() for _ in range(_LOCKS)]
        if self.client_authn is verify_client:
            self.client_authn = self._authenticate_client

    # -- token endpoint -----------------------------------------------------------------------------------------------

    def token_endpoint(self, request: Any = "", authn: str | None = "", dtype: str = "urlencoded", **kwargs: Any) -> Response:
        """Answer a token request with tokens or with the error codes of RFC 6749, 5.2.

        `request` is the form body (or a dict), `authn` the Authorization header. pyoidc answers 500 to a missing parameter,
        `unauthorized_client` to a bad code, and gives one client's code to another.
        """
        text = urlencode(request) if isinstance(request, Mapping) else request
        uses_basic = bool(authn) and str(authn).lower().startswith("basic")

        def work(_: Any) -> Response:
            try:
                return self._grant_tokens(single_values(parse_parameters(text)), authn or None)
            except ProtocolError as err:
                return json_error(err, realm=self.name, basic=uses_basic)

        return self.in_scope(work, refuse=self.refuse_as_json)

    def _grant_tokens(self, params: dict[str, str], authn: str | None) -> Response:
        grant_type = params.get("grant_type")
        if not grant_type:
            raise InvalidRequest("grant_type is missing")
        request_class = RefreshAccessTokenRequest if grant_type == "refresh_token" else AccessTokenRequest
        areq = request_class().from_dict(params)
        areq["client_id"] = self._client_of(areq, params, authn)
        if grant_type == "authorization_code":
            return self.code_grant_type(areq)
        if grant_type == "refresh_token":
            return self.refresh_token_grant_type(areq)
        raise ProtocolError("this grant_type is not supported", error="unsupported_grant_type")

    def _client_of(self, areq: Any, params: Mapping[str, str], authn: str | None) -> str:
        try:
            client_id = self.client_authn(self, areq, authn)
        except ProtocolError:
            raise
        except (PyoidcError, KeyError, ValueError, AttributeError) as err:  # a deployer's own way of client authentication
            raise InvalidClient("client authentication failed", detail=type(err).__name__) from err
        if not isinstance(client_id, str) or params.get("client_id", client_id) != client_id:
            raise InvalidClient("client authentication failed", detail="client_id is not the authenticated client")
        return client_id

    def code_grant_type(self, areq: Any) -> Response:
        """Redeem a code: once, by the client it was given to, in time, with its redirect URI and PKCE verifier.

        A second try ends the grant and so everything issued from it (RFC 6749, 4.1.2).
        """
        code = areq.get("code")
        if not code:
            raise InvalidRequest("code is missing")
        with self._code_locks[hash(code) % _LOCKS]:  # a store decides between servers, this between threads without one
            grant_id, row = self._row_of(code, "code")
            if row["client_id"] != areq["client_id"]:
                raise InvalidGrant("this code is not good", detail="code of another client")
            if row.get("code_used"):
                self.end_grant(grant_id)
                raise InvalidGrant("this code is not good", detail="code used before: its tokens are revoked")
            if self.sdb.token_factory["code"].is_expired(code):
                raise InvalidGrant("this code is not good", detail="code expired")
            if areq.get("redirect_uri", "") != row.get("redirect_uri", ""):
                raise InvalidGrant("this code is not good", detail="another redirect_uri")
            self._check_pkce(row, areq.get("code_verifier"))
            tokens = self.sdb.upgrade_to_token(code, issue_refresh=self.may_refresh(row))
        return self._token_response(grant_id, tokens, refresh_token=tokens.get("refresh_token"))

    def refresh_token_grant_type(self, areq: Any) -> Response:
        """Renew the tokens of a grant for the client that it belongs to (RFC 6749, 6)."""
        token = areq.get("refresh_token")
        if not token:
            raise InvalidRequest("refresh_token is missing")
        grant_id, row = self._row_of(token, "refresh_token")
        if row["client_id"] != areq["client_id"]:
            raise InvalidGrant("this refresh token is not good", detail="refresh token of another client")
        if self.sdb.token_factory["refresh_token"].is_expired(token):
            raise InvalidGrant("this refresh token is not good", detail="refresh token expired")
        asked = areq.get("scope")
        if asked and not set(asked.split() if isinstance(asked, str) else asked) <= set(row.get("scope", ())):
            raise ProtocolError("more scope than was granted", error="invalid_scope")
        refresh_token = self.renew_refresh_token(grant_id, token, row)
        row = dict(row, access_token=self.sdb.access_token(sid=grant_id, sinfo=row), oauth_state="token", token_type="Bearer")  # noqa: S106 a type
        self.sdb[grant_id] = row
        return self._token_response(grant_id, row, refresh_token=refresh_token)

    def _row_of(self, token: str, kind: str) -> tuple[str, Mapping[str, Any]]:
        refusal, factory = f"this {kind.replace('_', ' ')} is not good", self.sdb.token_factory[kind]
        if factory is None:
            raise InvalidGrant(refusal, detail="none are given out")
        found, grant_id = _opened(factory, token) or ("", "")
        if found != {"code": "A", "refresh_token": "R"}[kind]:
            raise InvalidGrant(refusal, detail="unknown or of another type")
        try:
            row = self.sdb[grant_id]
        except KeyError as err:
            raise InvalidGrant(refusal, detail="its grant has ended") from err
        if row.get("revoked"):
            raise InvalidGrant(refusal, detail="revoked")
        return grant_id, row

    def _check_pkce(self, row: Mapping[str, Any], verifier: str | None) -> None:
        challenge = self.pkce_challenge(row)
        if challenge is None:
            if verifier is not None:
                raise InvalidGrant("this code is not good", detail="code_verifier without code_challenge")  # RFC 9700, 2.1.1
            return
        if verifier is None or not _PKCE_VERIFIER.fullmatch(verifier):
            raise InvalidGrant("this code is not good", detail="code_verifier missing or malformed")
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not hmac.compare_digest(made, challenge):
            raise InvalidGrant("this code is not good", detail="wrong code_verifier")

    def pkce_challenge(self, row: Mapping[str, Any]) -> str | None:
        """Return the S256 challenge that the authorization request of a grant came with, None for none (RFC 7636)."""
        text = row.get("authzreq", "")
        found = json.loads(text).get("code_challenge") if '"code_challenge"' in text else None
        return found if isinstance(found, str) else None

    def may_refresh(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a grant gets a refresh token: with `offline_access` (OIDCC-11)."""
        return "offline_access" in row.get("scope", ()) and self.sdb.token_factory["refresh_token"] is not None

    def renew_refresh_token(self, grant_id: str, token: str, row: Mapping[str, Any]) -> str:
        """Return the refresh token to give out for the one that came in.

        A public client gets a new one each time, since nothing but the token says who it is; when an old one comes back somebody
        else has it, and the grant ends (RFC 9700, 4.14.2). Raises: InvalidGrant: it is not the good one.
        """
        factory = self.sdb.token_factory["refresh_token"]
        if not factory.valid(token):
            self.end_grant(grant_id)
            raise InvalidGrant("this refresh token is not good", detail="refresh token used before: its grant is revoked")
        if self.cdb[row["client_id"]].get("token_endpoint_auth_method") == "none":
            return str(factory(grant_id, sinfo=row))
        return token

    def end_grant(self, grant_id: str) -> None:
        """End a grant: whatever was issued from it is dead from now on."""
        del self.sdb[grant_id]

    def _token_response(self, grant_id: str, row: Mapping[str, Any], *, refresh_token: str | None) -> Response:
        client = self.cdb[row["client_id"]]
        answer: dict[str, Any] = {
            "access_token": row["access_token"],
            "token_type": "Bearer",
            "expires_in": int(self.sdb.access_token.lifetime),
            "scope": " ".join(row.get("scope", ())),
        }
        if refresh_token:
            answer["refresh_token"] = refresh_token
        if "openid" in row.get("scope", ()):
            try:
                answer["id_token"] = self.sign_encrypt_id_token(
                    row, client, {"client_id": row["client_id"]}, user_info=self.userinfo_in_id_token_claims(row)
                )
            except (JWEException, NoSuitableSigningKeys) as err:
                raise InvalidRequest("the ID Token cannot be signed or encrypted as registered", detail=str(err)) from err
        return json_response(answer)

    # -- client authentication ----------------------------------------------------------------------------------------

    def _authenticate_client(self, op: Any, areq: Mapping[str, Any], authn: str | None) -> str:
        params = {name: value for name, value in areq.items() if isinstance(value, str)}
        authentication = ClientAuthentication(
            find=self.clients.get,
            keys_of=self.client_keys,
            audiences=(self.name, f"{self.baseurl.rstrip('/')}/{TokenEndpoint.url}"),
            claim_once=self.claim_assertion,
        )
        return authentication.authenticate(params, authn, self.clock())

    def claim_assertion(self, key: str, expires_at: int) -> None:
        """Remember a client assertion until it expires; a provider without a store cannot.

        Raises: InvalidClient: it was used before.
        """

    def client_keys(self, client_id: str, client: Mapping[str, Any]) -> list[jose.Key]:
        """Return a client's registered public keys."""
        if client_id not in self.keyjar.issuer_keys:
            self.recuperate_keys(client_id, client)
        bundles = self.keyjar.issuer_keys.get(client_id, [])
        jwks = [key.serialize(private=False) for bundle in bundles for key in bundle.keys() if key.kty in ("RSA", "EC")]  # noqa: SIM118 no dict
        return [jose.import_key(jwk) for jwk in jwks]

    # -- redirect URIs ------------------------------------------------------------------------------------------------

    def _verify_redirect_uri(self, areq: Any) -> None:
        """Compare as text: pyoidc decodes before it compares, and accepts more query than was registered."""
        client = self.clients.get(str(areq["client_id"]))
        if client is None or areq["redirect_uri"] not in client["redirect_uris"]:
            raise RedirectURIError("redirect_uri is not registered")

    # -- userinfo -----------------------------------------------------------------------------------------------------

    def userinfo_endpoint(self, request: Any = "", **kwargs: Any) -> Response:
        """Answer a userinfo request; the token may come in the Authorization header or the form body (RFC 6750).

        `authn` is the Authorization header. pyoidc answers 500 when the session is gone, or when a code comes as token.
        """

        def work(_: Any) -> Response:
            try:
                return self._do_user_info(self._bearer_token(request, kwargs.get("authn")))
            except ProtocolError as err:
                return json_error(err, realm=self.name)

        return self.in_scope(work, refuse=self.refuse_as_json)

    def _bearer_token(self, request: Any, authn: str | None) -> str:
        text = urlencode(request) if isinstance(request, Mapping) else request or ""
        in_body = single_values(parse_parameters(text)).get("access_token")
        scheme, _, in_header = (authn or "").partition(" ")
        if in_body and authn:
            raise InvalidRequest("the token came in two ways")
        if in_body:
            return in_body
        if scheme.lower() != "bearer" or not in_header:
            raise InvalidToken("an access token is needed")
        return in_header.strip()

    def _do_user_info(self, token: str, **kwargs: Any) -> Response:
        letter, grant_id = _opened(self.sdb.access_token, token) or ("", "")
        if letter != "T" or self.sdb.access_token.is_expired(token):
            raise InvalidToken("this access token is not good")
        try:
            row: Mapping[str, Any] = self.sdb[grant_id]
        except KeyError as err:
            raise InvalidToken("this access token is not good") from err
        if row.get("revoked") or self.clients.get(row["client_id"]) is None:
            raise InvalidToken("this access token is not good")
        if "openid" not in row.get("scope", ()):
            raise ProtocolError("the openid scope is missing", error="insufficient_scope", status=403)
        try:
            response = super()._do_user_info(token, **kwargs)
        except FailedAuthentication as err:  # the request asked for the claims of another user
            raise InvalidToken("the claims asked for are not this user's") from err
        response.headers += [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
        return response


def _opened(factory: Any, token: str) -> tuple[str, str] | None:
    """Return the letter and the grant of a token, None for what is none."""
    try:
        letter, grant_id = factory.type_and_key(token)
    except Exception:  # noqa: BLE001 pyoidc's own token classes raise whatever their parsing meets
        return None
    return str(letter), str(grant_id)

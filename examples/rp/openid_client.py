"""The protocol part of the example RP: discovery, authorization code flow with PKCE, ID Token validation, logout URL.

Authlib builds the requests and checks the claims, joserfc the signature. Nothing here knows HTTP sessions or pages:
`app.py` keeps the `PendingSignIn` that `begin` returns, and hands it back to `finish`.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

import requests
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]  # Authlib ships no type hints
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]  # Authlib ships no type hints
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]  # Authlib ships no type hints
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ID_TOKEN_ALG = "RS256"  # what an OP signs with when the client registered nothing else (OIDCR-2); never taken from the token
CLOCK_LEEWAY_S = 30
PENDING_LIFETIME_S = 600
KEYS_RENEWED_AT_MOST_EVERY_S = 10


class OpUnreachable(Exception):
    """The OP did not answer, or not with what its specification promises; trying again later may help."""


class SignInRefused(Exception):
    """The OP's answer does not sign anybody in; `error` is the code, the text may be shown to the End-User."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True)
class PendingSignIn:
    """What must be remembered, in this browser's RP session, between the request and the OP's answer."""

    redirect_uri: str
    nonce: str
    code_verifier: str
    expires_at: int


@dataclass(frozen=True)
class Identity:
    """Who signed in, by a validated ID Token of `iss`. `auth_time` and `sid` are None when the OP sends none."""

    iss: str
    sub: str
    id_token: str
    session_state: str | None
    auth_time: int | None
    sid: str | None
    access_token: str


class OpenIdClient:
    """One client at one OP. Discovery happens at first use, so the OP may be started later than the RP."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        *,
        timeout_s: float = 5.0,
        now: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._timeout_s = timeout_s
        self._now = now
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None
        self._jwks: dict[str, Any] | None = None
        self._jwks_renewed_at = -KEYS_RENEWED_AT_MOST_EVERY_S

    def metadata(self) -> Mapping[str, Any]:
        """The OP's metadata, fetched once.

        Raises: OpUnreachable: no answer, or a document of another issuer (OIDCD-4.3).
        """
        with self._lock:
            if self._metadata is None:
                document = self._get_json(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if document.get("issuer") != self.issuer:
                    raise OpUnreachable("the discovery document names another issuer")
                for required in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    if not isinstance(document.get(required), str):
                        raise OpUnreachable(f"the discovery document has no {required}")
                self._metadata = document
            return self._metadata

    def begin(self, redirect_uri: str, *, prompt: str | None = None, id_token_hint: str | None = None) -> tuple[str, str, PendingSignIn]:
        """Give the URL that asks the OP to sign the End-User in, its `state`, and what `finish` will need.

        Raises: OpUnreachable: discovery failed.
        """
        pending = PendingSignIn(redirect_uri, secrets.token_urlsafe(24), secrets.token_urlsafe(48), self._now() + PENDING_LIFETIME_S)
        extra = {"nonce": pending.nonce}
        if prompt is not None:
            extra["prompt"] = prompt
        if id_token_hint is not None:
            extra["id_token_hint"] = id_token_hint
        url, state = self._oauth(redirect_uri).create_authorization_url(
            self.metadata()["authorization_endpoint"], state=secrets.token_urlsafe(24), code_verifier=pending.code_verifier, **extra
        )
        return url, state, pending

    def finish(self, pending: PendingSignIn, answer: Mapping[str, str]) -> Identity:
        """Turn the OP's answer to `begin` into an identity: redeem the code, validate the ID Token.

        Raises: SignInRefused: an error answer, or a code or ID Token that is not good. OpUnreachable: no usable answer.
        Spec: OIDCC-3.1.2.5 to 3.1.3.7, RFC 9207 (a wrong `iss` is refused)
        """
        if pending.expires_at < self._now():
            raise SignInRefused("expired", "The sign-in took too long.")
        if answer.get("iss", self.issuer) != self.issuer:
            raise SignInRefused("invalid_response", "The answer came from another OpenID Provider.")
        if "error" in answer:
            raise SignInRefused(answer["error"], answer.get("error_description", "The OpenID Provider did not sign you in."))
        if not answer.get("code"):
            raise SignInRefused("invalid_response", "The answer holds no code.")
        tokens = self._redeem(pending, answer["code"])
        if not isinstance(tokens.get("id_token"), str) or not isinstance(tokens.get("access_token"), str):
            raise SignInRefused("invalid_response", "The token response lacks a token.")
        claims = self._validated_claims(tokens["id_token"], pending.nonce, tokens["access_token"])
        sid = claims.get("sid")
        return Identity(
            iss=self.issuer,
            sub=claims["sub"],
            id_token=tokens["id_token"],
            session_state=answer.get("session_state"),
            auth_time=claims.get("auth_time"),
            sid=sid if isinstance(sid, str) else None,
            access_token=tokens["access_token"],
        )

    def jwks(self, renew: bool = False) -> Mapping[str, Any]:
        """The OP's keys as it publishes them, fetched at first use.

        With `renew` they are fetched anew, unless that was done a moment ago: anybody may send the back channel a token with a made-up
        key id, and each must not cost the OP a request.

        Raises: OpUnreachable: no usable answer.
        """
        jwks_uri = self.metadata()["jwks_uri"]
        with self._lock:
            if self._jwks is None:
                self._jwks = self._get_json(jwks_uri)
            elif renew and self._now() >= self._jwks_renewed_at + KEYS_RENEWED_AT_MOST_EVERY_S:
                self._jwks = self._get_json(jwks_uri)
                self._jwks_renewed_at = self._now()
            return self._jwks

    def display_name(self, identity: Identity) -> str:
        """A name to greet the End-User with: from UserInfo where that works, else the `sub`.

        An answer for another `sub` is not used (OIDCC-5.3.2).
        """
        endpoint = self.metadata().get("userinfo_endpoint")
        if endpoint is None:
            return identity.sub
        try:
            claims = self._get_json(endpoint, {"Authorization": f"Bearer {identity.access_token}"})
        except OpUnreachable:
            return identity.sub
        if claims.get("sub") != identity.sub:
            return identity.sub
        names = (claims.get(claim) for claim in ("name", "preferred_username"))
        return next((name for name in names if isinstance(name, str) and name), identity.sub)

    def session_status(self, sid: str) -> str | None:
        """What the OP says of the session that it calls `sid`: `live`, `ended` or `unknown`; None when it does not tell this client.

        No specification has this: it is the OP's own endpoint below the issuer, and off unless the OP's operator switched it on.

        Raises: OpUnreachable: no usable answer now.
        """
        if self._client_secret is None:
            return None
        auth = (quote_plus(self.client_id), quote_plus(self._client_secret))
        url = self.issuer.rstrip("/") + "/session_status"
        try:
            response = requests.post(url, {"sid": sid}, auth=auth, timeout=self._timeout_s, allow_redirects=False)
            if response.status_code in (401, 404):
                return None
            answer = response.json()
        except (requests.RequestException, ValueError) as err:
            raise OpUnreachable(f"no usable answer from {url}") from err
        status = answer.get("status") if response.status_code == 200 and isinstance(answer, dict) else None
        if status not in ("live", "ended", "unknown"):
            raise OpUnreachable(f"no usable answer from {url}")
        return str(status)

    def logout_url(self, id_token_hint: str, post_logout_redirect_uri: str, state: str) -> str | None:
        """Where to send the browser to sign out at the OP too; None when the OP has no `end_session_endpoint`.

        Raises: OpUnreachable: discovery failed.
        Spec: OIDCRIL-2
        """
        endpoint: str | None = self.metadata().get("end_session_endpoint")
        if endpoint is None:
            return None
        query = urlencode({"id_token_hint": id_token_hint, "post_logout_redirect_uri": post_logout_redirect_uri, "state": state})
        parts = urlsplit(endpoint)
        return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))

    def _redeem(self, pending: PendingSignIn, code: str) -> Mapping[str, Any]:
        # Authlib sends id and secret as they are; RFC 6749 2.3.1 wants both form-encoded first.
        auth = None if self._client_secret is None else (quote_plus(self.client_id), quote_plus(self._client_secret))
        try:
            tokens: Mapping[str, Any] = self._oauth(pending.redirect_uri).fetch_token(
                self.metadata()["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=pending.code_verifier,
                auth=auth,
                allow_redirects=False,
            )
        except OAuthError as err:
            raise SignInRefused(str(err.error), "The OpenID Provider did not accept the code.") from err
        except (requests.RequestException, ValueError) as err:
            raise OpUnreachable("no usable answer from the token endpoint") from err
        return tokens

    def _validated_claims(self, id_token: str, nonce: str, access_token: str) -> Mapping[str, Any]:
        try:
            token = self._verified(id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self.issuer},
                    "sub": {"essential": True},
                    "aud": {"essential": True, "value": self.client_id},
                },
                params={"nonce": nonce, "client_id": self.client_id, "access_token": access_token},
            )
            claims.validate(self._now(), CLOCK_LEEWAY_S)
        except (JoseError, ValueError, TypeError) as err:
            raise SignInRefused("invalid_id_token", "The ID Token is not valid.") from err
        # Stricter than the library: our OP is not a party to any other audience, and another kind of JWT is no ID Token.
        if claims["aud"] not in (self.client_id, [self.client_id]) or token.header.get("typ", "JWT") != "JWT":
            raise SignInRefused("invalid_id_token", "The ID Token is meant for somebody else.")
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()) or not isinstance(claims["sub"], str):
            raise SignInRefused("invalid_id_token", "The ID Token is not the answer to this request.")
        return dict(claims)

    def _verified(self, id_token: str) -> jwt.Token:
        try:
            return jwt.decode(id_token, self._key_set(renew=False), algorithms=[ID_TOKEN_ALG])
        except (JoseError, ValueError):
            # The OP may have a new key since we last looked; one fresh look decides.
            return jwt.decode(id_token, self._key_set(renew=True), algorithms=[ID_TOKEN_ALG])

    def _key_set(self, *, renew: bool) -> KeySet:
        # The type of the JWKS is checked by the import itself.
        return KeySet.import_key_set(self.jwks(renew))  # type: ignore[arg-type]

    def _oauth(self, redirect_uri: str) -> Any:
        return OAuth2Session(
            self.client_id,
            self._client_secret,
            scope="openid profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=self._timeout_s,
        )

    def _get_json(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            response = requests.get(url, headers=headers, timeout=self._timeout_s, allow_redirects=False)
            document = response.json()
        except (requests.RequestException, ValueError) as err:
            raise OpUnreachable(f"no usable answer from {url}") from err
        if response.status_code != 200 or not isinstance(document, dict):
            raise OpUnreachable(f"no usable answer from {url}")
        return document

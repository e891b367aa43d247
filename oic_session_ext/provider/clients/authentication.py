"""Who is the client that calls the token endpoint? One answer, or none (RFC 6749, 2.3; OIDCC-9).

Stock pyoidc compares secrets with `!=`, takes the credentials of HTTP Basic as they come, and lets a client that is
authenticated as itself act as another one by a `client_id` in the body.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from ...crypto import jose
from ...errors import InvalidClient, InvalidRequest

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_MAX_LIFETIME_S = 600
ASSERTION_ALGS = ("RS256", "PS256", "ES256", "HS256", "HS384", "HS512")
"""The algorithms of assertions that are taken from a client that registered none of its own; the discovery document names them."""


@dataclass(frozen=True, slots=True)
class ClientAuthentication:
    """Checks a client's credentials against its registration.

    `find` gives a client's metadata or None, `keys_of` its public keys, `audiences` are the values a client assertion may be
    addressed to, `claim_once` remembers an assertion's `jti` until it expires and raises `InvalidClient` for a second use.
    """

    find: Callable[[str], Mapping[str, Any] | None]
    keys_of: Callable[[str, Mapping[str, Any], str | None], list[jose.Key]]
    audiences: tuple[str, ...]
    claim_once: Callable[[str, int], None]

    def authenticate(self, params: Mapping[str, str], authorization: str | None, now: int) -> str:
        """Return the client_id of the authenticated client, or of a public client that names itself.

        Raises:
            InvalidClient: unknown client, wrong secret, or another method than the registered one.
            InvalidRequest: more than one way of authentication in one request (RFC 6749, 2.3).
        """
        ways = [bool(authorization), "client_secret" in params, "client_assertion" in params]
        if sum(ways) > 1:
            raise InvalidRequest("more than one way of client authentication in one request")
        proof: str | None
        if authorization:
            client_id, method, proof = self._basic(authorization)
        elif "client_assertion" in params:
            return self._assertion(params, now)
        else:
            client_id, proof = params.get("client_id", ""), params.get("client_secret")
            method = "none" if proof is None else "client_secret_post"
        self._same_client(params, client_id)
        client = self._registered(client_id, method, now)
        if proof is not None and not _is_equal(proof, str(client.get("client_secret") or "")):
            raise _refused("wrong secret")
        return client_id

    def _basic(self, authorization: str) -> tuple[str, str, str]:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise _refused("unknown authentication scheme")
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError) as err:
            raise _refused("malformed Basic credentials") from err
        if not colon:
            raise _refused("malformed Basic credentials")
        return unquote_plus(user), "client_secret_basic", unquote_plus(password)  # RFC 6749, 2.3.1: form-encoded inside

    def _assertion(self, params: Mapping[str, str], now: int) -> str:
        if params.get("client_assertion_type") != JWT_BEARER:
            raise _refused("unknown client_assertion_type")
        token = params["client_assertion"]
        try:
            unverified = jose.read_unverified(token)
        except jose.BadJwt as err:
            raise _refused("malformed assertion") from err
        client_id, alg = unverified.claims.get("iss"), unverified.header["alg"]
        if not isinstance(client_id, str):
            raise _refused("assertion without iss")
        self._same_client(params, client_id)
        symmetric = alg in jose.MAC_ALGS
        client = self._registered(client_id, "client_secret_jwt" if symmetric else "private_key_jwt", now)
        expected = client.get("token_endpoint_auth_signing_alg")
        algs = [str(expected)] if expected else ASSERTION_ALGS
        try:
            if symmetric:
                keys = [jose.mac_key(str(client.get("client_secret") or ""), alg)]
            else:
                keys = self.keys_of(client_id, client, unverified.header.get("kid"))
            claims = jose.verify(token, keys, algs).claims
        except (jose.BadJwt, jose.BadKey) as err:
            raise _refused("assertion not signed by the client") from err
        self._check_assertion_claims(claims, client_id, now)
        return client_id

    def _check_assertion_claims(self, claims: Mapping[str, Any], client_id: str, now: int) -> None:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires, jti = claims.get("exp"), claims.get("jti")
        if claims.get("sub") != client_id or not any(one in self.audiences for one in audiences):
            raise _refused("assertion for another purpose")
        if not isinstance(expires, int) or isinstance(expires, bool) or not now < expires <= now + ASSERTION_MAX_LIFETIME_S:
            raise _refused("assertion expired or good for too long")
        if not isinstance(jti, str) or not jti:
            raise _refused("assertion without jti")
        self.claim_once(f"{client_id} {jti}", expires)

    def _same_client(self, params: Mapping[str, str], client_id: str) -> None:
        if params.get("client_id", client_id) != client_id:
            raise _refused("client_id is not the authenticated client")

    def _registered(self, client_id: str, method: str, now: int) -> Mapping[str, Any]:
        client = self.find(client_id) if client_id else None
        if client is None:
            raise _refused("unknown client")
        if client.get("token_endpoint_auth_method", "client_secret_basic") != method:
            raise _refused("another authentication method is registered")
        expires = client.get("client_secret_expires_at") or 0
        if method in ("client_secret_basic", "client_secret_post", "client_secret_jwt") and 0 < expires <= now:
            raise _refused("the client secret has expired")
        return client


def _is_equal(given: str, known: str) -> bool:
    return bool(known) and hmac.compare_digest(given.encode(), known.encode())


def _refused(detail: str) -> InvalidClient:
    """Return the one answer to every failure: which part was wrong is for the operator's log."""
    return InvalidClient("client authentication failed", detail=detail)

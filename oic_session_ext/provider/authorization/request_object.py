"""Request objects (OIDCC-6, RFC 9101): an authorization request in a JWT, taken apart before anything of it is believed.

What comes out are plain parameters, which then pass every check that those of a query pass. pyoidc never sees an object: it verifies
none, and fetches any URI.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlencode

from ...clients.request_uris import (
    MAX_REQUEST_URI_LENGTH,
    REQUEST_OBJECT_ALGS,
    algs_for,
    is_registered_request_uri,
)
from ...crypto import jose
from ...errors import InvalidRequest, ProtocolError
from ...settings import RequestObjectSettings
from ...web.guarded_fetch import FetchFailed, FetchRefused
from ...web.parameters import parse_parameters

_WHOLE_REQUEST = "oauth-authz-req+jwt"
_TYPES = frozenset({"jwt", "application/jwt", _WHOLE_REQUEST, f"application/{_WHOLE_REQUEST}"})
_OF_THE_JWT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_OF_OTHER_JWTS = ("sub", "events")
"""An assertion by which a client authenticates has a `sub`, a Logout Token `events`: no request object has (RFC 9101, 10.8)."""
_NEVER_INSIDE = ("request", "request_uri", "upm_answer")
_SKEW_S = 60
_MOST_BYTES = 16 * 1024
"""Of the request as a query: it may have to travel in the address of the login page."""


@dataclass(frozen=True, slots=True)
class RequestObjects:
    """Takes request objects apart.

    `keys_of` gives a client's public keys, `fetch` what is behind a registered `request_uri` (raises FetchFailed), `now` is in UTC
    seconds.
    """

    issuer: str
    settings: RequestObjectSettings
    keys_of: Callable[[Mapping[str, Any], str | None], list[jose.Key]]
    fetch: Callable[[str], str]
    now: int

    def merged(self, parameters: Mapping[str, str], client: Mapping[str, Any]) -> dict[str, str]:
        """Return the request that `parameters` and the object in them, or behind them, make.

        The object's parameters take precedence over those outside (OIDCC-6.1); of an object whose `typ` is that of RFC 9101 nothing outside
        counts (6.3).

        Raises: ProtocolError: with the `error` for the RP.
        """
        token = self._token(parameters, client)
        header = _header_of(token)
        typ = str(header.get("typ", "JWT")).lower()
        if typ not in _TYPES:
            _refuse("the request object is another kind of JWT")
        inside = self._checked(self._proven(token, header, client), parameters["client_id"], is_signed=header["alg"] != "none")
        outside = {name: value for name, value in parameters.items() if name not in ("request", "request_uri")}
        if typ.removeprefix("application/") == _WHOLE_REQUEST:
            outside = {"client_id": parameters["client_id"]}
        else:
            _check_outside(outside)
        told = [frozenset(one["response_type"].split()) for one in (parameters, inside) if "response_type" in one]
        if len(set(told)) > 1:
            _refuse("response_type in the request object is another one than outside")
        return _as_if_in_query(outside | inside)

    def _token(self, parameters: Mapping[str, str], client: Mapping[str, Any]) -> str:
        if "request" in parameters and "request_uri" in parameters:
            raise InvalidRequest("request and request_uri exclude each other")
        if "request" in parameters:
            if not self.settings.by_value:
                raise ProtocolError("request is not supported", error="request_not_supported")
            return parameters["request"]
        if not self.settings.by_reference:
            raise ProtocolError("request_uri is not supported", error="request_uri_not_supported")
        uri = parameters["request_uri"]
        if len(uri) > MAX_REQUEST_URI_LENGTH or not is_registered_request_uri(uri, client):
            raise ProtocolError("request_uri is not registered for this application", error="invalid_request_uri")
        try:
            return self.fetch(uri)
        except FetchRefused:  # the same request may succeed a moment later
            raise
        except FetchFailed as err:
            raise ProtocolError(f"request_uri: {err}", error="invalid_request_uri") from err

    def _proven(self, token: str, header: Mapping[str, Any], client: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claims of an object that the client has signed as it registered, or may leave unsigned (OIDCREG-2)."""
        alg = str(header["alg"])
        registered = client.get("request_object_signing_alg")
        if alg not in ({registered} if registered else set(algs_for(self.settings))):
            _refuse("the request object is not signed with an algorithm that is allowed for this application")
        try:
            if alg == "none" and self.settings.unsigned:
                return _unsigned(token)
            is_mac = alg in jose.MAC_ALGS
            keys = [jose.mac_key(self._secret_of(client), alg)] if is_mac else self.keys_of(client, header.get("kid"))
            return jose.verify(token, keys, {alg} & set(REQUEST_OBJECT_ALGS)).claims
        except (jose.BadJwt, jose.BadKey) as err:
            raise ProtocolError("the request object is not signed by this application", error="invalid_request_object") from err

    def _secret_of(self, client: Mapping[str, Any]) -> str:
        expires_at = client.get("client_secret_expires_at") or 0
        return "" if 0 < expires_at <= self.now else str(client.get("client_secret") or "")

    def _checked(self, claims: Mapping[str, Any], client_id: str, *, is_signed: bool) -> dict[str, str]:
        """Return the parameters in the object, if it was made by this client, for this OP, for now, and is nothing else."""
        if named := [name for name in (*_OF_OTHER_JWTS, *_NEVER_INSIDE) if name in claims]:
            _refuse(f"{named[0]} has no place in a request object")
        if claims.get("client_id", client_id) != client_id or claims.get("iss", client_id) != client_id:
            _refuse("the request object is another application's")
        if is_signed and not {"client_id", "iss"} & claims.keys():  # a key may be that of several clients
            _refuse("the request object names no client: client_id or iss is missing")
        audience = claims.get("aud", self.issuer)
        if self.issuer not in (audience if isinstance(audience, list) else [audience]):
            _refuse("the request object is for another server: aud is another")
        self._check_times(claims)
        return {name: _text(value) for name, value in claims.items() if name not in _OF_THE_JWT}

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        instants = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
        if not all(isinstance(at, int | float) and not isinstance(at, bool) for at in instants.values()):
            _refuse("exp, nbf and iat in a request object are numbers")
        if instants.get("exp", self.now + 1) <= self.now:
            _refuse("the request object has expired")
        if max(instants.get("nbf", 0), instants.get("iat", 0)) > self.now + _SKEW_S:
            _refuse("the request object is of a time to come")


def _header_of(token: str) -> Mapping[str, Any]:
    if token.count(".") == 4:
        _refuse("encrypted request objects are not supported")
    try:
        return jose.read_header(token)
    except jose.BadJwt as err:
        raise ProtocolError("the request object is not a JWT", error="invalid_request_object") from err


def _unsigned(token: str) -> Mapping[str, Any]:
    if not token.endswith("."):
        _refuse("the request object has alg none and a signature")
    return jose.read_unverified(token).claims


def _check_outside(outside: Mapping[str, str]) -> None:
    """Refuse what is no OpenID request by itself (OIDCC-6.1: MUST): intermediaries must be able to recognise one."""
    if not outside.get("response_type"):
        raise InvalidRequest("response_type must stand outside of the request object too")
    if "openid" not in outside.get("scope", "").split():
        raise InvalidRequest("scope with openid must stand outside of the request object too")


def _text(value: object) -> str:
    """Return a member of the object as it would stand in a query; lists of words are joined, as some libraries have `scope`."""
    if isinstance(value, str):
        return value
    if value is None:
        _refuse("a parameter in the request object is null")
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return json.dumps(value, separators=(",", ":"))


def _as_if_in_query(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters once they have passed what those of a query must."""
    text = urlencode(parameters)
    if len(text) > _MOST_BYTES:
        _refuse("the request object is too large")
    try:
        return dict(parse_parameters(text))
    except InvalidRequest as err:
        raise ProtocolError(f"the request object: {err.description}", error="invalid_request_object") from err


def _refuse(description: str) -> NoReturn:
    raise ProtocolError(description, error="invalid_request_object")

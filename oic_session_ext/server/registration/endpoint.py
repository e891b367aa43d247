"""Dynamic client registration and its management (OpenID Connect Dynamic Client Registration 1.0, RFC 7591, RFC 7592).

The checks are those of static clients. Everything is checked before anything is kept, so a refused request leaves nothing behind.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from oic.utils.http_util import Response
from pydantic import ValidationError

from ...clients.logout_metadata import LogoutSupport, is_mixed_content, logout_support_problems
from ...clients.request_uris import request_object_problems
from ...crypto.opaque_secret import digest_of, new_secret
from ...errors import InvalidRequest, InvalidToken, ProtocolError
from ...provider import WebRequest
from ...provider.request.responses import RawResponse, json_response
from ...provider.request.scope import RequestScope
from ...store.changes import DeleteGrant
from ...web.guarded_fetch import FetchFailed, FetchRefused
from ...web.parameters import parse_parameters, single_values
from ..config.client import ClientSettings
from ..config.registration import RegistrationSettings
from ..op import BundledProvider
from .throttle import RegistrationThrottle

logger = logging.getLogger("oic_session_ext")

REGISTRATION_URL = "registration"

_NOT_FOR_CLIENTS = frozenset({"client_id", "client_secret", "client_secret_from", "allow_http", "consent", "introspection"})
_KNOWN = frozenset(ClientSettings.model_fields) - _NOT_FOR_CLIENTS
_ISSUED = ("client_id", "client_secret", "client_id_issued_at", "client_secret_expires_at")
_NEVER_IN_UPDATE = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
_TOKEN_DIGEST = "registration_access_token_digest"
_NO_DIGEST = "0" * 64
_MOST_GRANTS = 1000
"""How many grants of a deleted client are removed with it; further ones are dead as well, and go when they expire."""


class Registration:
    """Answers the registration endpoint.

    A client's registration access token lives as long as its registration: a new one at each read would lock out a client that loses an
    answer. The store knows its digest alone.
    """

    def __init__(self, op: BundledProvider, settings: RegistrationSettings) -> None:
        self._op = op
        self._parts = op.session_management
        self._settings = settings
        self._throttle = RegistrationThrottle(self._parts.session_store, settings, self._parts.clock)
        self._support = LogoutSupport.of(self._parts.settings.delivery)

    def answer(self, request: WebRequest) -> Response:
        """Register (POST), read (GET), replace (PUT) or delete (DELETE) a client; the latter three by `?client_id=`."""
        if request.method == "POST":
            return self._register(request)
        client_id = single_values(parse_parameters(request.query)).get("client_id", "")
        token = _bearer(request)
        row = self._authorized(client_id, token)
        if request.method == "PUT":
            return self._replace(client_id, token, row, _json_body(request))
        if request.method == "DELETE":
            return self._delete(client_id)
        return json_response(self._information(row, token))

    def _register(self, request: WebRequest) -> Response:
        if self._settings.mode == "token" and not self._settings.is_initial_access_token(_bearer(request)):
            raise InvalidToken("registration needs the initial access token")
        given = _json_body(request)
        issued: dict[str, Any] = {"client_id": secrets.token_urlsafe(16), "client_id_issued_at": self._parts.clock()}
        client = self._checked(given, issued)
        if self._settings.mode == "open" and (wait_s := self._throttle.refused_for(request.remote)):
            logger.warning("registration refused: too many, address=%s", request.remote)
            response = self._parts.refuse_as_json(ProtocolError("too many registrations", error="temporarily_unavailable", status=429))
            response.headers.append(("Retry-After", str(wait_s)))
            return response
        self._check_sector(client)
        token = new_secret()
        row = self._row(client, issued) | {_TOKEN_DIGEST: token.digest}
        return self._keep(row, token.value, 201)

    def _replace(self, client_id: str, token: str, row: Mapping[str, Any], given: Mapping[str, Any]) -> Response:
        if given.get("client_id") != client_id:
            raise InvalidRequest("client_id must be there and be the client's own")
        if named := [name for name in _NEVER_IN_UPDATE if name in given]:
            raise InvalidRequest(f"{named[0]} must not be sent (RFC 7592, 2.2)")
        secret = str(row.get("client_secret") or "")
        if "client_secret" in given and not hmac.compare_digest(str(given["client_secret"]).encode("utf-8", "replace"), secret.encode()):
            raise InvalidRequest("client_secret must be the client's own, or not be sent")
        issued = {name: row[name] for name in _ISSUED if name in row}
        client = self._checked(given, issued)
        self._check_sector(client)
        return self._keep(self._row(client, issued) | {_TOKEN_DIGEST: row[_TOKEN_DIGEST]}, token, 200)

    def _delete(self, client_id: str) -> Response:
        """Forget a client, the consents given to it and its grants in one commit; a token that is left names no client from then on."""

        def work(scope: RequestScope) -> Response:
            assert scope.uow is not None
            del self._op.server_clients[client_id]
            grant_ids = self._parts.session_store.grant_ids("client_id", client_id, _MOST_GRANTS)
            scope.uow.add(*(DeleteGrant(grant_id) for grant_id in grant_ids))
            return RawResponse(b"", 204, [("Cache-Control", "no-store"), ("Pragma", "no-cache")])

        return self._parts.transactions.run(work, refuse=self._parts.refuse_as_json)

    def _authorized(self, client_id: str, token: str) -> Mapping[str, Any]:
        """Return a registered client's metadata. Raises: InvalidToken: wrong token, unknown or static client: one answer for all."""
        row = self._parts.clients.get(client_id) or {}
        known = str(row.get(_TOKEN_DIGEST) or _NO_DIGEST)
        if not hmac.compare_digest(digest_of(token) or "", known) or _TOKEN_DIGEST not in row:
            raise InvalidToken("the registration access token is not good")
        return row

    def _checked(self, given: Mapping[str, Any], issued: dict[str, Any]) -> ClientSettings:
        """Return the client that `given` asks for; `issued` gets the secret that it needs, a new one when the old one has expired."""
        wanted = {name: value for name, value in given.items() if name in _KNOWN and value is not None}
        wanted["client_id"] = issued["client_id"]
        if self._settings.allow_http:
            wanted["allow_http"] = True
        if str(wanted.get("token_endpoint_auth_method", "client_secret_basic")).startswith("client_secret"):
            expires_at = issued.get("client_secret_expires_at", 0)
            if "client_secret" not in issued or 0 < expires_at <= self._parts.clock():
                lifetime_s = self._settings.client_secret_lifetime_s
                issued["client_secret"] = secrets.token_urlsafe(48)  # long enough for HS512
                issued["client_secret_expires_at"] = 0 if lifetime_s is None else self._parts.clock() + lifetime_s
            wanted["client_secret"] = issued["client_secret"]
        else:
            issued.pop("client_secret", None)
            issued.pop("client_secret_expires_at", None)
        try:
            client = ClientSettings.model_validate(wanted)
        except ValidationError as err:
            raise _refusal(err) from err
        metadata = client.metadata()
        for place, problem in chain(
            logout_support_problems(metadata, self._support),
            request_object_problems(metadata, self._op.policy.request_objects, self._parts.address_guard),
        ):
            raise ProtocolError(f"{'.'.join(map(str, place))}: {problem}", error="invalid_client_metadata")
        for name in ("jwks_uri", "sector_identifier_uri"):
            uri = getattr(client, name)
            if uri is not None and (refusal := self._parts.address_guard.refuses_uri(uri)):
                raise ProtocolError(f"{name}: {refusal}", error="invalid_client_metadata")
        return client

    def _check_sector(self, client: ClientSettings) -> None:
        """Fetch `sector_identifier_uri`, which must list every redirect URI (OIDCREG-5: MUST), so that no client joins another's sector."""
        if client.sector_identifier_uri is None:
            return
        try:
            listed = self._parts.guarded_fetch.json(client.sector_identifier_uri)
        except FetchRefused:  # the same request may succeed a moment later
            raise
        except FetchFailed as err:
            raise ProtocolError(f"sector_identifier_uri: {err}", error="invalid_client_metadata") from err
        if not isinstance(listed, list) or not all(uri in listed for uri in client.redirect_uris):
            raise ProtocolError(
                "sector_identifier_uri: must be a JSON array with every one of the redirect_uris", error="invalid_client_metadata"
            )

    def _row(self, client: ClientSettings, issued: Mapping[str, Any]) -> dict[str, Any]:
        if is_mixed_content(client.metadata(), self._op.name):
            logger.warning("client %s: browsers block its frontchannel_logout_uri, which is http", client.client_id)
        return self._op.server_clients.as_pyoidc(client.metadata() | dict(issued)) | {"consent": "ask"}

    def _keep(self, row: dict[str, Any], token: str, status: int) -> Response:
        client_id = row["client_id"]

        def work(_: RequestScope) -> Response:
            if status == 200 and self._parts.clients.get(client_id) is None:
                raise InvalidToken("the registration access token is not good", detail="the client was deleted meanwhile")
            self._op.server_clients[client_id] = row
            return json_response(self._information(self._parts.clients.view(row), token), status)

        return self._parts.transactions.run(work, refuse=self._parts.refuse_as_json)

    def _information(self, row: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Return all that is registered (RFC 7591, 3.2.1); `token` is the one that has just been issued or shown."""
        told = {name: row[name] for name in (*_ISSUED, *sorted(_KNOWN)) if name in row}
        address = f"{self._op.name}/{REGISTRATION_URL}?{urlencode({'client_id': row['client_id']})}"
        return told | {"registration_access_token": token, "registration_client_uri": address}


def _refusal(error: ValidationError) -> ProtocolError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = [str(part) for part in first["loc"]]
    code = "invalid_redirect_uri" if place and place[0] == "redirect_uris" else "invalid_client_metadata"
    return ProtocolError(f"{'.'.join(place) or 'metadata'}: {first['msg']}", error=code)


def _json_body(request: WebRequest) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("the body must be JSON", status=415)
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError) as err:
        raise ProtocolError("the body is not JSON", error="invalid_client_metadata") from err
    if not isinstance(value, dict):
        raise ProtocolError("the body is not a JSON object", error="invalid_client_metadata")
    return value


def _bearer(request: WebRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

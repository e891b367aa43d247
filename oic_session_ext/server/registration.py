"""Dynamic client registration (OpenID Connect Dynamic Client Registration 1.0, RFC 7591): the checks of static clients, at run time.

Everything is checked before anything is kept, so a refused registration leaves nothing behind.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from oic.utils.http_util import Response
from pydantic import ValidationError

from ..errors import InvalidRequest, InvalidToken, ProtocolError
from ..provider import WebRequest
from ..provider.request_scope import RequestScope
from ..provider.responses import json_response
from .client_settings import ClientSettings
from .op import BundledProvider
from .settings import RegistrationSettings

_NOT_FOR_CLIENTS = frozenset({"client_id", "client_secret", "client_secret_from", "allow_http", "consent", "introspection"})
_KNOWN = frozenset(ClientSettings.model_fields) - _NOT_FOR_CLIENTS
_URI_FIELDS = ("redirect_uris",)


class Registration:
    """Answers the registration endpoint."""

    def __init__(self, op: BundledProvider, settings: RegistrationSettings) -> None:
        self._op = op
        self._settings = settings

    def answer(self, request: WebRequest) -> Response:
        """Register a client: 201 with all that was registered, or 400 with the code of the specification."""
        if self._settings.mode == "token" and not self._settings.is_initial_access_token(_bearer(request)):
            raise InvalidToken("registration needs the initial access token")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest("the body must be JSON", status=415)
        client = self._checked(_json_object(request.body))

        def work(_: RequestScope) -> Response:
            metadata = client.metadata()
            self._op.server_clients[client.client_id] = self._op.server_clients.as_pyoidc(metadata) | {"consent": "ask"}
            issued: dict[str, Any] = {"client_id_issued_at": self._op.clock()}
            if "client_secret" in metadata:
                issued["client_secret_expires_at"] = 0
            return json_response(metadata | issued, 201)

        return self._op.in_scope(work, refuse=self._op.refuse_as_json)

    def _checked(self, given: Mapping[str, Any]) -> ClientSettings:
        if "jwks_uri" in given:  # fetching from wherever a stranger says needs a guard of its own
            raise ProtocolError("register jwks: jwks_uri is not supported", error="invalid_client_metadata")
        wanted = {name: value for name, value in given.items() if name in _KNOWN}
        wanted["client_id"] = secrets.token_urlsafe(16)
        if str(wanted.get("token_endpoint_auth_method", "client_secret_basic")).startswith("client_secret"):
            wanted["client_secret"] = secrets.token_urlsafe(32)
        try:
            return ClientSettings.model_validate(wanted)
        except ValidationError as err:
            raise _refusal(err) from err


def _refusal(error: ValidationError) -> ProtocolError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = [str(part) for part in first["loc"]]
    code = "invalid_redirect_uri" if place and place[0] in _URI_FIELDS else "invalid_client_metadata"
    return ProtocolError(f"{'.'.join(place) or 'metadata'}: {first['msg']}", error=code)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise ProtocolError("the body is not JSON", error="invalid_client_metadata") from err
    if not isinstance(value, dict):
        raise ProtocolError("the body is not a JSON object", error="invalid_client_metadata")
    return value


def _bearer(request: WebRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

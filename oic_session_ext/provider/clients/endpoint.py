"""What the endpoints have in common that clients' servers call: a form comes in, the client is authenticated, JSON goes out.

These are the token, revocation, introspection and session status endpoints (RFC 6749, 2.3 and 3.2; RFC 7009, 2.1; RFC 7662, 2.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from oic.exception import PyoidcError
from oic.oic.provider import TokenEndpoint
from oic.utils.http_util import Response

from ...crypto import jose
from ...errors import InvalidClient, ProtocolError
from ...model import EphemeralRecord
from ...store.changes import ClaimEphemeral
from ...web.parameters import parse_parameters, single_values
from ..parts import OpParts
from ..request.responses import json_error
from ..request.scope import present_scope
from .authentication import ClientAuthentication

REVOCATION_URL = "revocation"
INTROSPECTION_URL = "introspection"
SESSION_STATUS_URL = "session_status"
_ASSERTION = "client_assertion"


class ClientEndpoint:
    """Runs a client's request and authenticates the client, unless the adopter brings its own way (`client_authn`)."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def answer(self, request: Any, authn: str | None, answer: Callable[[dict[str, str]], Response]) -> Response:
        """Answer a client's request in one unit of work, errors as JSON (RFC 6749, 5.2).

        `request` is the form body (or a dict), `authn` the Authorization header; `answer` takes the parameters.
        """
        text = urlencode(request) if isinstance(request, Mapping) else request

        def work(_: Any) -> Response:
            try:
                return answer(single_values(parse_parameters(text)))
            except ProtocolError as err:
                return json_error(err, realm=self._parts.issuer, tried=authn)

        return self._parts.transactions.run(work, refuse=self._parts.refuse_as_json)

    def authenticate(self, request: Mapping[str, Any], params: Mapping[str, str], authn: str | None) -> str:
        """Return the client_id of the client that sends a request: here a message of pyoidc's, and `params` its parameters.

        Raises: InvalidClient: the client was not authenticated.
        """
        op = self._parts.op
        try:
            client_id = op.client_authn(op, request, authn)
        except ProtocolError:
            raise
        except (PyoidcError, KeyError, ValueError, AttributeError) as err:  # an adopter's own way of client authentication
            raise InvalidClient("client authentication failed", detail=type(err).__name__) from err
        if not isinstance(client_id, str) or params.get("client_id", client_id) != client_id:
            raise InvalidClient("client authentication failed", detail="client_id is not the authenticated client")
        return client_id

    def verify_client(self, op: Any, areq: Mapping[str, Any], authn: str | None) -> str:
        """Return the authenticated client's id, in place of pyoidc's function of this name (OIDCC-9).

        Raises: InvalidClient: the client was not authenticated.
        """
        params = {name: value for name, value in areq.items() if isinstance(value, str)}
        parts = self._parts
        endpoints = (TokenEndpoint.url, REVOCATION_URL, INTROSPECTION_URL, SESSION_STATUS_URL)
        authentication = ClientAuthentication(
            find=parts.clients.get,
            keys_of=self._public_keys,
            audiences=(parts.issuer, *(parts.endpoint_uri(path) for path in endpoints)),
            claim_once=self._claim_assertion,
        )
        return authentication.authenticate(params, authn, parts.clock())

    def _public_keys(self, client_id: str, client: Mapping[str, Any], kid: str | None = None) -> list[jose.Key]:
        return self._parts.public_keys.of(client, kid)

    def _claim_assertion(self, key: str, expires_at: int) -> None:
        """Remember a client assertion in the store, so that it is good once in the whole cluster (OIDCC-9); without a store, nowhere."""
        uow = present_scope().uow
        if uow is None:
            return
        digest = hashlib.sha256(key.encode()).hexdigest()
        if uow.ephemeral(_ASSERTION, digest) is not None:
            raise InvalidClient("client authentication failed", detail="client assertion used before")
        uow.add(ClaimEphemeral(EphemeralRecord(_ASSERTION, digest, expires_at), uow.now))

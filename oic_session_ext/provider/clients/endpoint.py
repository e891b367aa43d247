"""What the endpoints have in common that clients' servers call: a form comes in, the client proves who it is, JSON goes out.

These are the token, revocation and introspection endpoints (RFC 6749, 2.3 and 3.2; RFC 7009, 2.1; RFC 7662, 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from oic.exception import PyoidcError
from oic.oic.provider import TokenEndpoint
from oic.utils.authn.client import verify_client
from oic.utils.http_util import Response

from ...crypto import jose
from ...errors import InvalidClient, ProtocolError
from ...web.parameters import parse_parameters, single_values
from ..base import Seam
from ..request.responses import json_error
from .authentication import ClientAuthentication


class ClientEndpointSeam(Seam):
    """Authenticates clients in place of pyoidc, unless the deployer brings a way of their own (`client_authn`)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.client_authn is verify_client:
            self.client_authn = self._authenticate_client

    def answer_client(self, request: Any, authn: str | None, answer: Callable[[dict[str, str]], Response]) -> Response:
        """Answer a client's request in one unit of work, errors as JSON (RFC 6749, 5.2).

        `request` is the form body (or a dict), `authn` the Authorization header; `answer` takes the parameters.
        """
        text = urlencode(request) if isinstance(request, Mapping) else request

        def work(_: Any) -> Response:
            try:
                return answer(single_values(parse_parameters(text)))
            except ProtocolError as err:
                return json_error(err, realm=self.name, tried=authn)

        return self.in_scope(work, refuse=self.refuse_as_json)

    def authenticated_client(self, request: Mapping[str, Any], params: Mapping[str, str], authn: str | None) -> str:
        """Return the client_id of who sends a request, here a message of pyoidc's and `params` its parameters.

        Raises: InvalidClient: it did not prove who it is.
        """
        try:
            client_id = self.client_authn(self, request, authn)
        except ProtocolError:
            raise
        except (PyoidcError, KeyError, ValueError, AttributeError) as err:  # a deployer's own way of client authentication
            raise InvalidClient("client authentication failed", detail=type(err).__name__) from err
        if not isinstance(client_id, str) or params.get("client_id", client_id) != client_id:
            raise InvalidClient("client authentication failed", detail="client_id is not the authenticated client")
        return client_id

    def assertion_audiences(self) -> tuple[str, ...]:
        """Return what a client assertion may be addressed to: the OP, or an endpoint of it that takes one (OIDCC-9)."""
        return self.name, self.endpoint_uri(TokenEndpoint.url)

    def endpoint_uri(self, path: str) -> str:
        """Return the full address of an endpoint."""
        return f"{self.baseurl.rstrip('/')}/{path}"

    def _authenticate_client(self, op: Any, areq: Mapping[str, Any], authn: str | None) -> str:
        params = {name: value for name, value in areq.items() if isinstance(value, str)}
        authentication = ClientAuthentication(
            find=self.clients.get,
            keys_of=self.client_keys,
            audiences=self.assertion_audiences(),
            claim_once=self.claim_assertion,
        )
        return authentication.authenticate(params, authn, self.clock())

    def claim_assertion(self, key: str, expires_at: int) -> None:
        """Remember a client assertion until it expires; a provider without a store cannot.

        Raises: InvalidClient: it was used before.
        """

    def client_keys(self, client_id: str, client: Mapping[str, Any], kid: str | None = None) -> list[jose.Key]:
        """Return a client's public keys, those of its `jwks_uri` fetched anew for a `kid` that is not among them."""
        return self.public_keys.of(client, kid)

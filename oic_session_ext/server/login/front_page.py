"""The OP's front page: who is signed in here, at which applications, where a login can begin, and a way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from oic.utils.http_util import Response

from ...provider import WebRequest
from ...provider.request.responses import authorization_location, page_response
from ...web.parameters import parse_parameters, single_values
from ..op import BundledProvider


class FrontPage:
    """Shows the user of this browser what the OP knows of their login, and leads to the clients that let others begin one (OIDCC-4).

    Of clients that registered themselves it knows those of the user's session, and the one that `?client_id=` names: a link, never a
    redirect, since any caller may register anything.
    """

    def __init__(self, op: BundledProvider) -> None:
        self._op = op
        self._parts = op.session_management
        self._of_settings = tuple(client for client in op.server_clients.of_settings() if client.get("initiate_login_uri"))

    def answer(self, request: WebRequest) -> Response:
        """Answer a request for the front page."""
        session = self._op.session_of(request.cookie)
        present = (
            [self._parts.client(rp.client_id) or {"client_id": rp.client_id} for rp in session.rp_sessions] if session is not None else []
        )
        named = self._parts.client(single_values(parse_parameters(request.query)).get("client_id", ""))
        page = self._parts.pages.render(
            "home",
            username=session.uid if session is not None else None,
            rps=[_name(client) for client in present],
            applications=self._links((*self._of_settings, *present, *([named] if named else ()))),
            sign_out_action=self._parts.end_session.path,
        )
        return page_response(page)

    def _links(self, clients: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Return name and address of each client at which a login can begin here, each once."""
        addresses = {
            client["client_id"]: (_name(client), client["initiate_login_uri"]) for client in clients if client.get("initiate_login_uri")
        }
        return [(name, authorization_location(uri, {"iss": self._op.name}, "query")) for name, uri in addresses.values()]


def _name(client: Mapping[str, Any]) -> str:
    return str(client.get("client_name") or client["client_id"])

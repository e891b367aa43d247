"""pyoidc's client database as the use cases want to see it: a client's metadata with full, exact redirect URIs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from ..clients.logout_metadata import LogoutSupport, is_mixed_content, logout_metadata_problems, logout_support_problems
from ..errors import ConfigError

logger = logging.getLogger("oic_session_ext")


class CdbClients:
    """Reads a client database of pyoidc's shape (a mapping of client_id to metadata)."""

    def __init__(self, cdb: Any) -> None:
        self._cdb = cdb

    def get(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's metadata, its URIs as full strings; None when it is not registered."""
        try:
            metadata = self._cdb[client_id]
        except KeyError:
            return None
        if not isinstance(metadata, Mapping):
            return None  # pyoidc keeps registration access tokens among the clients
        return self.view(metadata)

    @staticmethod
    def view(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return metadata of pyoidc's shape with the URIs as full strings."""
        view = dict(metadata)
        for name in ("redirect_uris", "post_logout_redirect_uris"):
            view[name] = [full_uri(one) for one in metadata.get(name) or []]
        return view


def check_clients(clients: Mapping[str, Any], support: LogoutSupport, issuer: str) -> None:
    """Hold a deployer's own clients to the rules about logout that clients who register themselves are held to (REG-13).

    `clients` is a client database of pyoidc's shape; whether its clients may use http is the deployer's own word.
    Raises: ConfigError: the first one that breaks a rule.
    """
    for client_id, row in clients.items():
        if not isinstance(row, Mapping):
            continue  # a registration access token of pyoidc's
        try:
            metadata = CdbClients.view(row)
        except (TypeError, ValueError) as err:
            raise ConfigError(f"clients.{client_id}", "its redirect URIs are not as pyoidc keeps them: (uri, query) or text") from err
        # the second question only when the first has no answer: it takes good values for granted
        for place, problem in chain(logout_metadata_problems(metadata, permits_http=True), logout_support_problems(metadata, support)):
            raise ConfigError(".".join(["clients", client_id, *map(str, place)]), problem)
        if is_mixed_content(metadata, issuer):
            logger.warning("client %s: browsers block its frontchannel_logout_uri, which is http", client_id)


def full_uri(registered: Any) -> str:
    """Return a registered URI as text; pyoidc keeps it as `(base, query)`, the query parsed or None."""
    if isinstance(registered, str):
        return registered
    base, query = registered
    if not query:
        return str(base)
    return f"{base}?{query if isinstance(query, str) else urlencode(query, doseq=True)}"

"""pyoidc's client database as the use cases want to see it: a client's metadata with full, exact redirect URIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


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


def full_uri(registered: Any) -> str:
    """Return a registered URI as text; pyoidc keeps it as `(base, query)`, the query parsed or None."""
    if isinstance(registered, str):
        return registered
    base, query = registered
    if not query:
        return str(base)
    return f"{base}?{query if isinstance(query, str) else urlencode(query, doseq=True)}"

"""Liveness and readiness of the server, for supervisors and load balancers."""

from __future__ import annotations

from oic.utils.http_util import Response

from ...errors import StoreUnavailable
from ...provider import WebRequest
from ...provider.request.responses import json_response
from ...store.base import Store


class Health:
    """The endpoints `/health/live` (the process runs) and `/health/ready` (the store can be read and written)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def live(self, request: WebRequest) -> Response:
        """Return 200 while the process runs."""
        return json_response({"status": "live"})

    def ready(self, request: WebRequest) -> Response:
        """Return 200 if the server can handle requests now, else 503."""
        try:
            self._store.ping()
        except StoreUnavailable:
            return json_response({"status": "unavailable", "store": "unavailable"}, 503)
        return json_response({"status": "ready"})

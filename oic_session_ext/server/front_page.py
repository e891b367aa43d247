"""The OP's front page: who is signed in here, at which applications, and a way out."""

from __future__ import annotations

from oic.utils.http_util import Response

from ..provider import WebRequest
from ..provider.responses import page_response
from .op import BundledProvider


class FrontPage:
    """Tells the user of this browser what the OP knows of their login."""

    def __init__(self, op: BundledProvider) -> None:
        self._op = op

    def answer(self, request: WebRequest) -> Response:
        """Answer a request for the front page."""
        session = self._op.session_of(request.cookie)
        names = []
        for rp in session.rp_sessions if session is not None else ():
            client = self._op.client(rp.client_id) or {}
            names.append(client.get("client_name") or rp.client_id)
        page = self._op.pages.render(
            "home", username=session.uid if session is not None else None, rps=names, sign_out_action=self._op.end_session_path
        )
        return page_response(page)

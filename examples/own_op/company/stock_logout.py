"""Logout with pyoidc alone: what its documentation leaves to the OP's author. `after.py` no longer needs any of it."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Flask, request
from oic.oic.provider import Provider
from oic.utils.http_util import Response, SeeOther

from .login import PasswordLogin


def add_logout_routes(app: Flask, op: Provider, login: PasswordLogin) -> None:
    """Add pyoidc's end-session endpoint, and the page that carries the logout out."""
    op.logout_verify_url = f"{op.baseurl}/verify_logout"

    @app.get("/end_session")
    def end_session() -> Response:
        return op.end_session_endpoint(request.environ["QUERY_STRING"], cookie=request.headers.get("Cookie"))

    @app.get("/verify_logout")
    def verify_logout() -> Response:
        asked = op.unpack_signed_jwt(request.args["sjwt"])
        done = op.do_verified_logout(asked["sid"], asked["client_id"], alla=True)
        state = f"?{urlencode({'state': asked['state']})}" if "state" in asked else ""
        return SeeOther(asked["redirect_uri"] + state, headers=[*done.get("cookie", []), login.delete_cookie()])

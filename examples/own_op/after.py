"""An OpenID Provider on pyoidc and Flask, as somebody may have it; `after.py` differs from `before.py` in ten lines."""

from __future__ import annotations

import logging
from typing import Any

from company import clients, keys, people
from company.login import PASSWORD, PasswordLogin
from company.settings import DATA, ISSUER, PORT
from flask import Flask, request
from oic.oic.provider import Provider
from oic.utils.authn.authn_context import AuthnBroker
from oic.utils.authn.client import verify_client
from oic.utils.authz import AuthzHandling
from oic.utils.http_util import Response
from oic.utils.userinfo import UserInfo

from oic_session_ext import HardeningMixin, SecretRing, SessionManagement, SessionManagementMixin, open_store

audit = logging.getLogger("company.audit")


class MyOP(SessionManagementMixin, HardeningMixin, Provider):
    """The company's OP, which notes who goes where."""

    def authz_part2(self, user: str, areq: Any, sid: str, **kwargs: Any) -> Response:
        """Answer the request of a user who is signed in."""
        audit.info("%s goes to %s", user, areq["client_id"])
        return super().authz_part2(user, areq, sid, **kwargs)


login = PasswordLogin()
broker = AuthnBroker()
broker.add(PASSWORD, login, 10, ISSUER)
session_management = SessionManagement(open_store(f"sqlite:///{DATA}/sessions.sqlite"), SecretRing.load_or_create(DATA / "secrets"))
op = MyOP(
    ISSUER,
    sdb=session_management.session_db(ISSUER),
    session_management=session_management,
    cdb=clients.CLIENTS,
    authn_broker=broker,
    userinfo=UserInfo(people.CLAIMS),
    authz=AuthzHandling(),
    client_authn=verify_client,
    symkey=keys.COOKIE_KEY,
    keyjar=keys.load_keyjar(DATA / "sign.pem"),
)
op.seed = keys.COOKIE_SEED
op.jwks_uri = f"{ISSUER}/jwks.json"

app = Flask("company")
app.wsgi_app = op.session_middleware(app.wsgi_app)


@app.route("/authorization", methods=["GET", "POST"])
def authorization() -> Response:
    """Sign the user in, if need be, and send them back to the client."""
    return op.authorization_endpoint(parameters(), cookie=request.headers.get("Cookie"), headers=request.headers)


@app.post("/verify")
def verify() -> Response:
    """Take name and password from the login page."""
    return login.verify(request.form)


@app.post("/token")
def token() -> Response:
    """Give a client tokens for its code."""
    return op.token_endpoint(parameters(), authn=request.headers.get("Authorization"))


@app.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """Tell a client about the user."""
    return op.userinfo_endpoint(request.get_data(as_text=True), authn=request.headers.get("Authorization"))


@app.get("/jwks.json")
def jwks() -> dict[str, Any]:
    """Publish the keys that ID Tokens are signed with."""
    return op.keyjar.export_jwks()


@app.get("/.well-known/openid-configuration")
def configuration() -> Response:
    """Publish what this OP can do, and where."""
    return op.providerinfo_endpoint()


def parameters() -> str:
    """Return the parameters of the request: the form of a POST, the query of a GET."""
    return request.get_data(as_text=True) if request.method == "POST" else request.environ["QUERY_STRING"]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its request lines hold codes and ID Tokens
    app.run(port=PORT)

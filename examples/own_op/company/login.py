"""The company's own login: a form, a password check, and pyoidc's login cookie."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import render_template
from oic.utils.authn.user import UserAuthnMethod
from oic.utils.http_util import Response, SeeOther, Unauthorized

from .people import is_password
from .settings import ISSUER

logger = logging.getLogger("company.login")

PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
_WORKING_DAY_MIN = 8 * 60


class PasswordLogin(UserAuthnMethod):
    """Asks for name and password on the company's own page. Throttling and the like are left out here."""

    def __init__(self) -> None:
        super().__init__(None, ttl=_WORKING_DAY_MIN)
        self.secure = ISSUER.startswith("https:")

    def __call__(self, query: str = "", **kwargs: Any) -> Response:
        """Return the login page for an authorization request, which `query` carries through the form."""
        return Response(render_template("login.html", query=query))

    def verify(self, form: Mapping[str, str]) -> Response:
        """Return to the authorization endpoint with the login cookie, or show the form again."""
        user, query = form.get("user", ""), form.get("query", "")
        if not is_password(user, form.get("password", "")):
            logger.warning("wrong name or password")
            return Unauthorized(render_template("login.html", query=query, problem="Wrong name or password."), template="%s")
        logger.info("%s signed in", user)
        back = [*parse_qsl(query, keep_blank_values=True), (self.query_param, "true")]
        return SeeOther(f"/authorization?{urlencode(back)}", headers=[self.create_cookie(user, "upm")])

    def done(self, areq: Mapping[str, Any]) -> bool:
        """Tell pyoidc whether a request with `prompt=login` still has to be answered."""
        return self.query_param not in areq

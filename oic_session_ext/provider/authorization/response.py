"""How an authorization request is answered: to the RP in its response mode, or with the way to the login (OIDCC-3.1.2.5, -3.1.2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from oic.utils.http_util import Response

from ...web.origin import origin_of
from ..parts import OpParts
from ..request.responses import RawResponse, RedirectResponse, authorization_location, page_response
from ..request.scope import AuthorizationContext


class AuthorizationResponses:
    """Makes the responses of the authorization endpoint."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def send(self, context: AuthorizationContext, answer: Mapping[str, Any]) -> RawResponse:
        """Return the response that brings `answer` to the RP, in the request's response mode."""
        parameters = {**answer, "iss": self._parts.issuer}  # whose answer it is, an error too (RFC 9207, 2)
        if context.response_mode != "form_post":
            return RedirectResponse(authorization_location(context.redirect_uri, parameters, context.response_mode))
        page = self._parts.pages.render(
            "form_post", action=context.redirect_uri, fields=list(parameters.items()), form_targets=(origin_of(context.redirect_uri),)
        )
        return page_response(page)

    def send_error(self, context: AuthorizationContext, error: str, description: str, extra: Mapping[str, str]) -> RawResponse:
        """Return the response that brings an error to the RP; `extra` are further parameters."""
        parameters = {"error": error, "error_description": description}
        if context.state is not None:
            parameters["state"] = context.state
        return self.send(context, {**parameters, **extra})

    def ask_to_sign_in(self, method: Any, acr: str, areq: Any, client: Mapping[str, Any], context: AuthorizationContext) -> Response:
        """Return the response with which an authentication method of pyoidc asks the user to sign in."""
        # without `upm_answer`: only the method itself may report that it was answered
        query = urlencode([(name, value) for name, value in context.parameters.items() if name != "upm_answer"])
        asked: dict[str, Any] = {"authn_class_ref": acr, "query": query}
        asked.update({name: client[name] for name in ("policy_uri", "logo_uri", "tos_uri") if client.get(name)})
        asked.update({name: areq[name] for name in ("ui_locales", "acr_values", "login_hint") if name in areq})
        if context.hint is not None:
            asked["as_user"] = (context.hint.sub,)
        response: Response = method(**asked)
        return response

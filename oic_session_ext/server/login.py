"""The login page: a user name and a password, asked for an RP's request or for nobody's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from oic.utils.http_util import Response

from ..clock import Clock
from ..errors import InvalidRequest
from ..pages.security_headers import ANY_TARGET
from ..parameters import parse_parameters, single_values
from ..provider import Answered, CompletedLogin, WebRequest
from ..provider.authorization_request import check_authorization_request
from ..provider.responses import RedirectResponse, page_response
from .form_origin import check_form_origin
from .login_throttle import LoginThrottle
from .op import CONSENT_URL, LOGIN_URL, PASSWORD_ACR, BundledProvider, ConsentRedirect
from .web_session import WaitingRequest, WebSession

logger = logging.getLogger("oic_session_ext")


class LoginPage:
    """Shows the form, checks what comes back, and carries the waiting request on."""

    def __init__(self, op: BundledProvider, throttle: LoginThrottle, clock: Clock) -> None:
        self._op = op
        self._throttle = throttle
        self._clock = clock
        self._path = f"{op.base_path}/{LOGIN_URL}"

    def answer(self, request: WebRequest, web: WebSession) -> Response:
        """Answer a request at the login page."""
        if request.method != "POST":
            return self._show(request.query, web)
        check_form_origin(request.headers, self._op.origin)
        form = single_values(parse_parameters(request.parameters()))
        web.check_csrf_token(form.get("csrf", ""))
        return self._sign_in(request, web, form)

    def _show(self, query: str, web: WebSession) -> Response:
        if not query:
            return self._form(web, request_id="", query="")
        check_authorization_request(query, client=self._op.client, verify_hint=self._op.verify_hint)
        return self._form(web, request_id=web.wait(query), query=query)

    def _sign_in(self, request: WebRequest, web: WebSession, form: Mapping[str, str]) -> Response:
        request_id, username = form.get("request_id", ""), form.get("username", "")
        # it goes on waiting: of a form that was sent twice the browser shows the second answer
        waiting = web.waiting(request_id) if request_id else WaitingRequest("")
        if waiting is None:
            raise InvalidRequest("this sign-in was open for too long; go back to the application and try again")
        query = waiting.query
        attempt = self._throttle.attempt(username, request.remote)
        if attempt.closed_for_s:
            logger.warning("sign-in refused: too many failures, address=%s", request.remote)
            refusal = self._form(web, request_id=request_id, query=query, username=username, problem="too_many_attempts", status=429)
            refusal.headers.append(("Retry-After", str(attempt.closed_for_s)))
            return refusal
        user = self._op.users.verify(username, form.get("password", ""))
        if user is None:
            logger.info("sign-in refused: wrong name or password, address=%s", request.remote)  # a name may be a mistyped password
            self._throttle.note_failure(username, request.remote)
            return self._form(web, request_id=request_id, query=query, username=username, problem="wrong_credentials", status=403)
        if attempt.has_failed_before:
            self._throttle.note_success(username, request.remote)
        login = CompletedLogin(user.uid, PASSWORD_ACR, self._clock())
        if not query:
            return self._op.sign_in(request, login)
        response = self._op.authorization_endpoint(query, request.cookie, request.headers, answered=Answered(login=login))
        if isinstance(response, ConsentRedirect):
            # the consent page goes on with this very request, so that prompt=login does not ask again after it
            name = web.wait(query, is_signed_in=True)
            cookies = [header for header in response.headers if header[0] == "Set-Cookie"]
            return RedirectResponse(f"{self._op.base_path}/{CONSENT_URL}?request_id={name}", cookies)
        return response

    def _form(
        self, web: WebSession, *, request_id: str, query: str, username: str | None = None, problem: str | None = None, status: int = 200
    ) -> Response:
        asked: dict[str, Any] = dict(parse_qsl(query))
        client = self._op.client(asked.get("client_id", "")) if query else None
        page = self._op.pages.render(
            "login",
            status=status,
            ui_locales=str(asked.get("ui_locales", "")).split(),
            form_targets=(ANY_TARGET,),  # the RP may redirect on, to an origin that only it knows
            action=self._path,
            csrf=web.csrf_token(),
            request_id=request_id,
            login_hint=username if username is not None else asked.get("login_hint"),
            client_name=None if client is None else client.get("client_name") or client["client_id"],
            problem=problem,
        )
        return page_response(page)

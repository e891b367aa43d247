"""The login page: a user name and a password, for an RP's request or for none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from oic.utils.http_util import Response

from ...clock import Clock
from ...errors import InvalidRequest
from ...model import OpSession
from ...pages.security_headers import ANY_TARGET
from ...provider import Answered, CompletedLogin, WebRequest
from ...provider.authorization.request import check_authorization_request
from ...provider.authorization.subject import sub_of
from ...provider.request.responses import RedirectResponse, page_response
from ...provider.request.scope import AuthorizationContext
from ...web.parameters import parse_parameters, single_values
from ..config.client_description import shown_of
from ..op import CONSENT_URL, LOGIN_URL, PASSWORD_ACR, BundledProvider, ConsentRedirect
from .csrf_origin import check_form_origin
from .known_browser import KnownBrowsers
from .throttle import LoginThrottle
from .waiting_request import WaitingRequest, WaitingRequests, known_parameters
from .web_session import WebSession

logger = logging.getLogger("oic_session_ext")


class LoginPage:
    """Shows the form, checks what comes back, and carries the waiting request on."""

    def __init__(
        self, op: BundledProvider, throttle: LoginThrottle, browsers: KnownBrowsers, requests: WaitingRequests, clock: Clock
    ) -> None:
        self._op = op
        self._parts = op.session_management
        self._throttle = throttle
        self._browsers = browsers
        self._requests = requests
        self._clock = clock
        self._path = f"{op.base_path}/{LOGIN_URL}"

    def answer(self, request: WebRequest, web: WebSession) -> Response:
        """Answer a request at the login page."""
        if request.method != "POST":
            return self._show(request, web)
        check_form_origin(request.headers, self._op.origin)
        form = single_values(parse_parameters(request.parameters()))
        waiting = self._requests.open(form.get("waiting", ""))
        if waiting is None:
            raise InvalidRequest("this form is not from this sign-in page; go back to the application and try again")
        if not web.is_csrf_token(form.get("csrf", "")):  # the browser was closed since, or sends no cookie: the same form once more
            return self._again(request, web, form, waiting, "expired", 400)
        return self._go_on(request, web, waiting) if "continue" in form else self._sign_in(request, web, form, waiting)

    def _show(self, request: WebRequest, web: WebSession) -> Response:
        if not request.query:
            return self._form(web, WaitingRequest(""))
        context = check_authorization_request(request.query, client=self._parts.client, verify_hint=self._parts.verify_hint)
        session = self._session_to_choose(request, context)
        waiting = WaitingRequest(known_parameters(request.query), asked_of=None if session is None else session.id)
        return self._form(web, waiting, account=None if session is None else session.uid)

    def _session_to_choose(self, request: WebRequest, context: AuthorizationContext) -> OpSession | None:
        """Return the session that the user may choose to go on with, None where only a login answers the request (OIDCC-3.1.2.1)."""
        if "select_account" not in context.prompt or "login" in context.prompt:
            return None
        session = self._op.session_of(request.cookie)
        if session is None or (context.max_age is not None and self._clock() - session.auth_time >= context.max_age):
            return None
        client: Any = self._parts.client(context.client_id)
        return session if context.subs is None or sub_of(session.uid, client) in context.subs else None

    def _go_on(self, request: WebRequest, web: WebSession, waiting: WaitingRequest) -> Response:
        """Carry the waiting request on as the user who is signed in already and has just been chosen."""
        session = self._op.session_of(request.cookie)
        if session is None or session.id != waiting.asked_of:  # it was not offered, or another user has signed in meanwhile
            return RedirectResponse(f"{self._op.base_path}/authorization?{waiting.query}")
        return self._carry_on(request, web, waiting, Answered(has_chosen_account=True))

    def _sign_in(self, request: WebRequest, web: WebSession, form: Mapping[str, str], waiting: WaitingRequest) -> Response:
        username = form.get("username", "")
        with self._throttle.attempt(username, request.remote, self._browsers.id_for(request.cookie, username)) as attempt:
            if attempt.closed_for_s:
                logger.warning("sign-in refused: too many failures, address=%s", request.remote)
                refusal = self._again(request, web, form, waiting, "too_many_attempts", 429)
                refusal.headers.append(("Retry-After", str(attempt.closed_for_s)))
                return refusal
            user = self._op.users.verify(username, form.get("password", ""))
            if user is None:
                logger.info("sign-in refused: wrong name or password, address=%s", request.remote)  # a name may be a mistyped password
                attempt.note_failure()
                return self._again(request, web, form, waiting, "wrong_credentials", 403)
            attempt.note_success()
        login = CompletedLogin(user.uid, PASSWORD_ACR, self._clock())
        response = self._carry_on(request, web, waiting, Answered(login=login)) if waiting.query else self._op.sign_in(request, login)
        response.headers += self._browsers.cookie_after(request.cookie, user.uid)
        return response

    def _again(
        self, request: WebRequest, web: WebSession, form: Mapping[str, str], waiting: WaitingRequest, problem: str, status: int
    ) -> Response:
        """Return the form with what was wrong, and with the account that it offered before."""
        session = self._op.session_of(request.cookie) if waiting.asked_of is not None else None
        return self._form(
            web,
            waiting,
            username=form.get("username", ""),
            account=session.uid if session is not None and session.id == waiting.asked_of else None,
            problem=problem,
            status=status,
        )

    def _carry_on(self, request: WebRequest, web: WebSession, waiting: WaitingRequest, answered: Answered) -> Response:
        response = self._op.authorization_endpoint(waiting.query, request.cookie, request.headers, answered=answered)
        if isinstance(response, ConsentRedirect):
            # the consent page goes on with this very request, so that its prompt does not ask again after it
            signed_in = WaitingRequest(waiting.query, signed_in=web.browser_id, signed_in_at=self._clock())
            cookies = [header for header in response.headers if header[0] == "Set-Cookie"]
            return RedirectResponse(f"{self._op.base_path}/{CONSENT_URL}?waiting={self._requests.seal(signed_in)}", cookies)
        return response

    def _form(
        self,
        web: WebSession,
        waiting: WaitingRequest,
        *,
        username: str | None = None,
        account: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        asked: dict[str, Any] = dict(parse_qsl(waiting.query))
        client: Any = self._parts.client(asked.get("client_id", "")) if waiting.query else None
        described = shown_of(client)
        page = self._parts.pages.render(
            "login",
            status=status,
            ui_locales=str(asked.get("ui_locales", "")).split(),
            form_targets=(ANY_TARGET,),  # the RP may redirect on, to an origin that only it knows
            img_src=[described["logo_uri"]] if described["logo_uri"] else (),
            action=self._path,
            csrf=web.csrf_token(),
            waiting=self._requests.seal(waiting),
            login_hint=username if username is not None else asked.get("login_hint"),
            client_name=None if client is None else client.get("client_name") or client["client_id"],
            account=account,
            problem=problem,
            **described,
        )
        return page_response(page)

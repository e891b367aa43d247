"""The consent page: may this client have what it asks for (OIDCC-3.1.2.4)?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oic.utils.http_util import Response

from ...clock import Clock
from ...errors import InvalidRequest
from ...pages.security_headers import ANY_TARGET
from ...provider import Answered, WebRequest
from ...provider.authorization.request import check_authorization_request
from ...provider.request.responses import RedirectResponse, page_response
from ...web.parameters import parse_parameters, single_values
from ..config.client_description import shown_of
from ..op import CONSENT_URL, BundledProvider
from .csrf_origin import check_form_origin
from .waiting_request import WaitingRequest, WaitingRequests, known_parameters
from .web_session import WebSession


class ConsentPage:
    """Asks the user who is signed in, and carries the waiting request on with the answer."""

    def __init__(self, op: BundledProvider, requests: WaitingRequests, clock: Clock) -> None:
        self._op = op
        self._parts = op.session_management
        self._requests = requests
        self._clock = clock
        self._path = f"{op.base_path}/{CONSENT_URL}"

    def answer(self, request: WebRequest, web: WebSession) -> Response:
        """Answer a request at the consent page."""
        if request.method == "POST":
            return self._decide(request, web)
        given = single_values(parse_parameters(request.query))
        if "waiting" in given:
            return self._show(request, web, self._opened(given["waiting"]))
        return self._show(request, web, WaitingRequest(known_parameters(request.query)))

    def _opened(self, field: str) -> WaitingRequest:
        waiting = self._requests.open(field)
        if waiting is None or not waiting.query:
            raise InvalidRequest("this question is not from this server; go back to the application and try again")
        return waiting

    def _show(self, request: WebRequest, web: WebSession, waiting: WaitingRequest, status: int = 200) -> Response:
        context = check_authorization_request(waiting.query, client=self._parts.client, verify_hint=self._parts.verify_hint)
        session = self._op.session_of(request.cookie)
        if session is None:
            return RedirectResponse(f"{self._op.base_path}/authorization?{waiting.query}")
        asked = replace(waiting, asked_of=session.id)
        client: Any = self._parts.client(context.client_id)
        described = shown_of(client)
        needed = self._op.policy.consent_needed(context)
        page = self._parts.pages.render(
            "consent",
            status=status,
            img_src=[described["logo_uri"]] if described["logo_uri"] else (),
            ui_locales=context.parameters.get("ui_locales", "").split(),
            form_targets=(ANY_TARGET,),  # the RP may redirect on, to an origin that only it knows
            action=self._path,
            csrf=web.csrf_token(),
            waiting=self._requests.seal(asked),
            client_name=client.get("client_name") or context.client_id,
            username=session.uid,
            scopes=list(dict.fromkeys([*context.parameters["scope"].split(), *sorted(one for one in needed if " " not in one)])),
            claims=sorted(one.removeprefix("claim ") for one in needed if " " in one),
            **described,
        )
        return page_response(page)

    def _decide(self, request: WebRequest, web: WebSession) -> Response:
        check_form_origin(request.headers, self._op.origin)
        form = single_values(parse_parameters(request.parameters()))
        waiting = self._opened(form.get("waiting", ""))
        if not web.is_csrf_token(form.get("csrf", "")):  # the browser was closed since, or sends no cookie: the question once more
            return self._show(request, web, waiting, status=400)
        session = self._op.session_of(request.cookie)
        if session is None or session.id != waiting.asked_of:  # another user has signed in meanwhile: the answer is not theirs
            return RedirectResponse(f"{self._op.base_path}/authorization?{waiting.query}")
        is_signed_in = waiting.is_signed_in(web.browser_id, self._clock())
        answered = Answered(consent="allowed" if "allow" in form else "denied", is_signed_in=is_signed_in)
        return self._op.authorization_endpoint(waiting.query, request.cookie, request.headers, answered=answered)

"""The consent page: may this client have what it asks for (OIDCC-3.1.2.4)?"""

from __future__ import annotations

from typing import Any

from oic.utils.http_util import Response

from ...errors import InvalidRequest
from ...pages.security_headers import ANY_TARGET
from ...provider import Answered, WebRequest
from ...provider.authorization.request import check_authorization_request
from ...provider.request.responses import RedirectResponse, page_response
from ...web.parameters import parse_parameters, single_values
from ..config.client_description import shown_of
from ..op import CONSENT_URL, BundledProvider
from .csrf_origin import check_form_origin
from .web_session import WebSession


class ConsentPage:
    """Asks the user who is signed in, and carries the waiting request on with the answer."""

    def __init__(self, op: BundledProvider) -> None:
        self._op = op
        self._path = f"{op.base_path}/{CONSENT_URL}"

    def answer(self, request: WebRequest, web: WebSession) -> Response:
        """Answer a request at the consent page."""
        if request.method == "POST":
            return self._decide(request, web)
        given = single_values(parse_parameters(request.query))
        if "request_id" not in given:
            return self._show(request, web, request.query, web.wait(request.query))
        waiting = web.waiting(given["request_id"])
        if waiting is None:
            raise InvalidRequest("this question was open for too long; go back to the application and try again")
        return self._show(request, web, waiting.query, given["request_id"])

    def _show(self, request: WebRequest, web: WebSession, query: str, request_id: str) -> Response:
        context = check_authorization_request(query, client=self._op.client, verify_hint=self._op.verify_hint)
        session = self._op.session_of(request.cookie)
        if session is None:
            return RedirectResponse(f"{self._op.base_path}/authorization?{query}")
        web.ask(request_id, session.id)
        client: Any = self._op.client(context.client_id)
        described = shown_of(client)
        needed = self._op.consent_needed(context)
        page = self._op.pages.render(
            "consent",
            img_src=[described["logo_uri"]] if described["logo_uri"] else (),
            ui_locales=context.parameters.get("ui_locales", "").split(),
            form_targets=(ANY_TARGET,),  # the RP may redirect on, to an origin that only it knows
            action=self._path,
            csrf=web.csrf_token(),
            request_id=request_id,
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
        web.check_csrf_token(form.get("csrf", ""))
        waiting = web.waiting(form.get("request_id", ""))
        if waiting is None:
            raise InvalidRequest("this question was open for too long; go back to the application and try again")
        session = self._op.session_of(request.cookie)
        if session is None or session.id != waiting.asked_of:  # somebody else has signed in meanwhile: the answer is not theirs
            return RedirectResponse(f"{self._op.base_path}/authorization?{waiting.query}")
        answered = Answered(consent="allowed" if "allow" in form else "denied", is_signed_in=waiting.is_signed_in)
        response = self._op.authorization_endpoint(waiting.query, request.cookie, request.headers, answered=answered)
        web.answered(form["request_id"])
        return response

"""The end-session endpoint at the seam: parameters in, the use case, a page or a redirect out (OIDCRIL-2, -3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from oic.oic.provider import EndSessionEndpoint
from oic.utils.http_util import Response

from ..end_session import AskToConfirm, EndSessionParts, LoggedOut, StayedSignedIn, confirm_end_session, start_end_session
from ..end_session_request import EndSessionRequest, resume_request, stash_request
from ..errors import InvalidConfirmation, ProtocolError
from ..pages.security_headers import ANY_TARGET
from ..parameters import parse_parameters, single_values
from ..settings import SessionManagementSettings
from .request_scope import BrowserSession, RequestScope
from .responses import RedirectResponse, page_response
from .seam import Seam, logger

_RESUME = "resume"
_CONFIRMATION = "confirmation"

_Outcome: TypeAlias = AskToConfirm | LoggedOut | StayedSignedIn


class EndSessionSeam(Seam):
    """Answers logout requests in place of pyoidc, whose own redirects to any path of a registered host."""

    session_settings: SessionManagementSettings

    def browser_session(self, scope: RequestScope, cookie: str | None, headers: Mapping[str, str] | None) -> BrowserSession:
        """Return the OP session that the browser's cookie names."""
        raise NotImplementedError

    def dress(self, scope: RequestScope, response: Response) -> Response:
        """Return the response with the cookies that the browser is to have from now on."""
        raise NotImplementedError

    @property
    def end_session_path(self) -> str:
        """The path of the end-session endpoint, with the issuer's own path before it."""
        return f"{urlsplit(self.baseurl).path.rstrip('/')}/{EndSessionEndpoint.url}"

    def end_session_endpoint(
        self,
        request: Any = "",
        cookie: Any = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Response:
        """Answer a logout request, or the user's own answer to the question whether to log out.

        `request` is the query string of a GET or the form of a POST, `cookie` the Cookie header. The browser's session alone can
        end here; the user is asked wherever the request does not prove that it comes from an RP of this session.
        """
        text = urlencode(request) if isinstance(request, Mapping) else request

        def work(scope: RequestScope) -> Response:
            browser = scope.browser = self.browser_session(scope, cookie, headers)
            try:
                response = self._end_session(scope, browser, parse_parameters(text), method.upper())
            except ProtocolError as err:
                offer = browser.present is not None and not isinstance(err, InvalidConfirmation)
                response = self.error_page(err, sign_out_action=self.end_session_path if offer else None)
            return self.dress(scope, response)

        return self.in_scope(work)

    def _end_session(self, scope: RequestScope, browser: BrowserSession, pairs: Sequence[tuple[str, str]], method: str) -> Response:
        assert scope.uow is not None
        parts = EndSessionParts(issuer=self.name, keys=self, clients=self.clients, settings=self.session_settings)
        given = dict(pairs)
        if method == "POST" and _CONFIRMATION in given:
            given = single_values(pairs)
            answers = [answer for answer in ("logout", "stay") if answer in given]
            answer = answers[0] if len(answers) == 1 else ""
            return self._answered(confirm_end_session(given[_CONFIRMATION], answer, browser.present, scope.uow, parts), browser)
        if method == "GET" and _RESUME in given:
            request = resume_request(scope.uow, given[_RESUME])
        else:
            request = EndSessionRequest.from_params(pairs)
            if method == "POST" and browser.present is None:
                # a cross-site form comes without a Lax cookie: only the browser's own GET tells whether somebody is signed in
                return RedirectResponse(f"{self.end_session_path}?{urlencode({_RESUME: stash_request(scope.uow, request)})}")
        return self._answered(start_end_session(request, browser.present, scope.uow, parts), browser)

    def _answered(self, outcome: _Outcome, browser: BrowserSession) -> Response:
        """Return the page or the redirect that an outcome leads to."""
        if isinstance(outcome, AskToConfirm):
            return self._ask(outcome)
        if isinstance(outcome, StayedSignedIn):
            return page_response(self.pages.render("still_signed_in", ui_locales=outcome.ui_locales))
        if outcome.ended is not None:
            logger.info("logout: client_id=%s rps=%d", outcome.client_id or "-", len(outcome.ended.rp_sessions))
        browser.end()
        if outcome.redirect_to is not None:
            return RedirectResponse(outcome.redirect_to)
        name = (self.client(outcome.client_id) or {}).get("client_name") if outcome.client_id else None
        return page_response(self.pages.render("logged_out", ui_locales=outcome.ui_locales, client_name=name))

    def _ask(self, outcome: AskToConfirm) -> Response:
        page = self.pages.render(
            "end_session_confirm",
            ui_locales=outcome.ui_locales,
            form_targets=(ANY_TARGET,),  # the RP may redirect on, to an origin that only it knows
            action=self.end_session_path,
            confirmation=outcome.confirmation,
            client_name=outcome.client_name or outcome.client_id,
            problem=outcome.problem.value if outcome.problem else None,
            username=None,
        )
        return page_response(page)

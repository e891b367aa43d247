"""The end-session endpoint: parse, decide and commit, notify the RPs, answer (OIDCRIL-2, -3).

The decision is `oic_session_ext.logout.end_session`; here its outcome becomes a page or a redirect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from oic.oic.provider import EndSessionEndpoint as PyoidcEndpoint
from oic.utils.http_util import Response

from ...crypto.opaque_secret import digest_of
from ...errors import InvalidConfirmation, ProtocolError
from ...logout.end_session import (
    AskToConfirm,
    EndSessionParts,
    LoggedOut,
    StayedSignedIn,
    confirm_end_session,
    resume_end_session,
    start_end_session,
)
from ...logout.end_session_request import EndSessionRequest, resume_request, stash_request
from ...model import Reason
from ...sessions.op_session import end_op_session
from ...web.parameters import parse_parameters, single_values
from ..parts import OpParts
from ..request.browser import Browsers
from ..request.responses import RedirectResponse, page_response
from ..request.scope import BrowserSession, RequestScope
from .delivery import NoticeDelivery
from .logout_pages import LogoutPages
from .navigation import check_navigation

END_SESSION_URL = PyoidcEndpoint.url
_RESUME = "resume"
_CONFIRMATION = "confirmation"


class EndSessionEndpoint:
    """Answers logout requests in place of pyoidc, whose own endpoint redirects to any path of a registered host."""

    def __init__(self, parts: OpParts, browsers: Browsers, delivery: NoticeDelivery) -> None:
        self._parts = parts
        self._browsers = browsers
        self._delivery = delivery
        self._pages = LogoutPages(parts)

    @property
    def path(self) -> str:
        """The path of the endpoint, with the issuer's own path before it."""
        return f"{self._parts.base_path}/{END_SESSION_URL}"

    def answer(self, request: Any, cookie: Any, method: str, headers: Mapping[str, str] | None) -> Response:
        """Answer a logout request, or the user's own answer to the question whether to log out.

        `request` is the query string of a GET or the form of a POST, `cookie` the Cookie header. Only the session of this browser can
        end here; the user is asked wherever the request does not prove that it comes from an RP of this session.
        """
        text = urlencode(request) if isinstance(request, Mapping) else request

        def work(scope: RequestScope) -> tuple[Response | LoggedOut, list[tuple[str, str]]]:
            try:
                check_navigation(method, headers or {}, asks_for_logout=bool(text))
                browser = self._browsers.look_up(scope, cookie, headers)
                if browser.present is None and browser.others:
                    browser.present = browser.others.pop()
            except ProtocolError as err:
                return self._parts.error_page(err), []
            try:
                decided = self._decide(scope, browser, parse_parameters(text), method.upper())
            except ProtocolError as err:
                offers_sign_out = browser.present is not None and not isinstance(err, InvalidConfirmation)
                decided = self._parts.error_page(err, sign_out_action=self.path if offers_sign_out else None)
            if isinstance(decided, LoggedOut):
                if decided.ended is not None:
                    for other in browser.others:
                        end_op_session(scope.unit(), other, Reason.USER, self._parts.clients, self._parts.settings)
                browser.end_session()
            return decided, self._browsers.set_cookies(scope)

        committed = self._parts.transactions.run(work)
        if isinstance(committed, Response):  # the store could not keep it
            return committed
        decided, cookies = committed
        if isinstance(decided, LoggedOut):
            decided = self._pages.logged_out(decided, self._delivery.notify_now(decided.notices))
        decided.headers += cookies
        return decided

    def _decide(self, scope: RequestScope, browser: BrowserSession, pairs: Sequence[tuple[str, str]], method: str) -> Response | LoggedOut:
        uow = scope.unit()
        cookie_digest = digest_of(browser.secret)
        parts = EndSessionParts(
            issuer=self._parts.issuer,
            keys=self._parts,
            clients=self._parts.clients,
            settings=self._parts.settings,
            lease_s=self._delivery.lease_s,
        )
        given = dict(pairs)
        if method == "POST" and _CONFIRMATION in given:
            given = single_values(pairs)
            if browser.present is None:
                # sent once more after it was answered, or without its cookie: the browser's own GET shows which
                return resume_end_session(cookie_digest, uow, parts) or RedirectResponse(self.path)
            answers = [answer for answer in ("logout", "stay") if answer in given]
            answer = answers[0] if len(answers) == 1 else ""
            confirmed = confirm_end_session(given[_CONFIRMATION], answer, browser.present, uow, parts)
            if isinstance(confirmed, StayedSignedIn):
                return page_response(self._parts.pages.render("still_signed_in", ui_locales=confirmed.ui_locales))
            return confirmed
        if method == "GET" and _RESUME in given:
            request = resume_request(uow, given[_RESUME])
        else:
            request = EndSessionRequest.from_params(pairs)
            if method == "POST" and browser.present is None:
                # a cross-site form comes without a Lax cookie: only the browser's own GET shows whether a user is signed in
                return RedirectResponse(f"{self.path}?{urlencode({_RESUME: stash_request(uow, request)})}")
        outcome = start_end_session(request, browser.present, uow, parts, cookie_digest=cookie_digest)
        return self._pages.question(outcome, self.path) if isinstance(outcome, AskToConfirm) else outcome

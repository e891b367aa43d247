"""The end-session endpoint at the seam: parameters in, the use case, a page or a redirect out (OIDCRIL-2, -3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from oic.oic.provider import EndSessionEndpoint
from oic.utils.http_util import Response

from ...crypto.opaque_secret import digest_of
from ...errors import InvalidConfirmation, ProtocolError
from ...events import FrontchannelAsked, Hooks
from ...logout.backchannel.delivery import Delivery
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
from ...model import LogoutNotice, NotifyStatus
from ...pages.security_headers import ANY_TARGET
from ...session_management.browser_cookies import CookiePolicy
from ...settings import SessionManagementSettings
from ...web.parameters import parse_parameters, single_values
from ..base import logger
from ..request.responses import RawResponse, RedirectResponse, page_response
from ..request.scope import BrowserSession, RequestScope
from .pyoidc_logout_disabled import ReplacedLogout

_RESUME = "resume"
_CONFIRMATION = "confirmation"

_READING_S = 6
"""How long a page that names RPs which were not told stays before it goes on; its link goes on at once, its button stays."""


class EndSessionSeam(ReplacedLogout):
    """Answers logout requests in place of pyoidc, whose own redirects to any path of a registered host.

    `delivery` tells RPs over the back channel while the user waits; None leaves that to a worker, and the page says so.
    """

    session_settings: SessionManagementSettings
    cookie_policy: CookiePolicy
    hooks: Hooks
    delivery: Delivery | None = None

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
                answer = self._end_session(scope, browser, parse_parameters(text), method.upper())
            except ProtocolError as err:
                offer = browser.present is not None and not isinstance(err, InvalidConfirmation)
                answer = self.error_page(err, sign_out_action=self.end_session_path if offer else None)
            if isinstance(answer, Response):
                return self.dress(scope, answer)
            browser.end()
            dressed = self.dress(scope, RawResponse(b"", 200, ()))  # the commit holds what this changes; the rest comes after it
            scope.after_commit = lambda: self._tell_and_say(answer, dressed.headers)
            return dressed

        return self.in_scope(work)

    def _end_session(
        self, scope: RequestScope, browser: BrowserSession, pairs: Sequence[tuple[str, str]], method: str
    ) -> Response | LoggedOut:
        assert scope.uow is not None
        lease_s = self.session_settings.delivery.lease_s if self.delivery is not None else 0
        parts = EndSessionParts(issuer=self.name, keys=self, clients=self.clients, settings=self.session_settings, lease_s=lease_s)
        cookie_digest = digest_of(self.cookie_policy.session_secret(browser.cookie_header))
        given = dict(pairs)
        if method == "POST" and _CONFIRMATION in given:
            given = single_values(pairs)
            if browser.present is None:
                # sent once more after it was answered, or without its cookie: the browser's own GET tells which
                return resume_end_session(cookie_digest, scope.uow, parts) or RedirectResponse(self.end_session_path)
            answers = [answer for answer in ("logout", "stay") if answer in given]
            answer = answers[0] if len(answers) == 1 else ""
            confirmed = confirm_end_session(given[_CONFIRMATION], answer, browser.present, scope.uow, parts)
            if isinstance(confirmed, StayedSignedIn):
                return page_response(self.pages.render("still_signed_in", ui_locales=confirmed.ui_locales))
            return confirmed
        if method == "GET" and _RESUME in given:
            request = resume_request(scope.uow, given[_RESUME])
        else:
            request = EndSessionRequest.from_params(pairs)
            if method == "POST" and browser.present is None:
                # a cross-site form comes without a Lax cookie: only the browser's own GET tells whether somebody is signed in
                return RedirectResponse(f"{self.end_session_path}?{urlencode({_RESUME: stash_request(scope.uow, request)})}")
        outcome = start_end_session(request, browser.present, scope.uow, parts, cookie_digest=cookie_digest)
        return self._ask(outcome) if isinstance(outcome, AskToConfirm) else outcome

    def _tell_and_say(self, outcome: LoggedOut, headers: Sequence[tuple[str, str]]) -> Response:
        """Tell the RPs what is durable by now; return the redirect, or the page that has something to say or to load before it.

        The back channel comes first, the frames after it, the redirect last (OIDCRIL-2, -3).
        """
        told = {**outcome.told, **self._tell(outcome.notices)}
        statuses = [(rp, rp.status(told)) for rp in outcome.rps]
        frames = [rp.frame for rp in outcome.rps if rp.frame is not None]
        is_unfinished = any(status.is_unfinished for _, status in statuses)
        if outcome.ended is not None:
            logger.info("logout: client_id=%s rps=%d", outcome.client_id or "-", len(outcome.rps))
        if outcome.redirect_to is not None and not frames and not is_unfinished:
            return RedirectResponse(outcome.redirect_to, headers)
        wait_s = self.session_settings.frontchannel_wait_s if frames else 0
        read_s = _READING_S if is_unfinished else 0
        page = self.pages.render(
            "logged_out",
            ui_locales=outcome.ui_locales,
            frame_src=frames,
            client_name=outcome.client_name,
            rps=[{"name": rp.name, "status": status.value} for rp, status in statuses],
            frame_uris=frames,
            redirect_uri=outcome.redirect_to,
            wait_ms=round(wait_s * 1000),
            read_ms=read_s * 1000,
            refresh_s=math.ceil(max(wait_s, read_s)),
        )
        if frames and outcome.ended is not None:
            self.hooks.emit(FrontchannelAsked(outcome.ended, tuple(rp.client_id for rp in outcome.rps if rp.frame is not None)))
        response = page_response(page)
        response.headers.extend(headers)
        return response

    def _tell(self, notices: Sequence[LogoutNotice]) -> Mapping[str, NotifyStatus]:
        """Return what became of the notices within the deadline; a fault leaves them to a worker, since the logout took place."""
        if self.delivery is None or not notices:
            return {}
        try:
            return self.delivery.notify(notices, self.session_settings.logout_deadline_s)
        except Exception:  # noqa: BLE001 - whatever it was, the user is signed out and must be told so
            logger.exception("the RPs were not told at once; their notices wait for a worker")
            return {}

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

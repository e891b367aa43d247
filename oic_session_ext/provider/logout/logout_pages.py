"""The pages of a logout: the question, and the page (or the redirect) after it (OIDCRIL-2, -3; OIDCFCL-3)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from oic.utils.http_util import Response

from ...events import FrontchannelAsked
from ...logout.end_session import AskToConfirm, LoggedOut
from ...model import NotifyStatus
from ...pages.security_headers import ANY_TARGET
from ..parts import OpParts
from ..request.responses import RedirectResponse, page_response

logger = logging.getLogger("oic_session_ext")


class LogoutPages:
    """Renders what the end-session endpoint has decided."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def question(self, outcome: AskToConfirm, action: str) -> Response:
        """Return the page that asks the user whether to log out; its form leads to `action`."""
        page = self._parts.pages.render(
            "end_session_confirm",
            ui_locales=outcome.ui_locales,
            form_targets=(ANY_TARGET,),  # the RP may redirect on, to an origin that only it knows
            action=action,
            confirmation=outcome.confirmation,
            client_name=outcome.client_name or outcome.client_id,
            problem=outcome.problem.value if outcome.problem else None,
            username=None,
        )
        return page_response(page)

    def logged_out(self, outcome: LoggedOut, notified: Mapping[str, NotifyStatus]) -> Response:
        """Return the redirect of a logout that is committed, or the page that has to report or to load something before it.

        `notified` is what is known of its notices. The back channel came first; the frames are next, the redirect is last.
        """
        known = {**outcome.told, **notified}
        statuses = [(rp, rp.status(known)) for rp in outcome.rps]
        frames = [rp.frame for rp in outcome.rps if rp.frame is not None]
        is_unfinished = any(status.is_unfinished for _, status in statuses)
        if outcome.ended is not None:
            logger.info("logout: client_id=%s rps=%d", outcome.client_id or "-", len(outcome.rps))
        if outcome.redirect_to is not None and not frames and not is_unfinished:
            return RedirectResponse(outcome.redirect_to)
        wait_s = self._parts.settings.frontchannel_wait_s if frames else 0
        read_s = self._parts.settings.reading_time_s if is_unfinished else 0
        page = self._parts.pages.render(
            "logged_out",
            ui_locales=outcome.ui_locales,
            frame_src=frames,
            client_name=outcome.client_name,
            rps=[{"name": rp.name, "status": status.value} for rp, status in statuses],
            frame_uris=frames,
            redirect_uri=outcome.redirect_to,
            wait_ms=round(wait_s * 1000),
            read_ms=round(read_s * 1000),
            refresh_s=math.ceil(max(wait_s, read_s)),
        )
        if frames and outcome.ended is not None:
            asked = tuple(rp.client_id for rp in outcome.rps if rp.frame is not None)
            self._parts.hooks.emit(FrontchannelAsked(outcome.ended, asked))
        return page_response(page)

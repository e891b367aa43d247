"""pyoidc's own functions for logout, closed: a page of the deployer's that still calls one would undo what our endpoint guards."""

from __future__ import annotations

from typing import Any, NoReturn

from ..base import Seam


class ReplacedLogout(Seam):
    """Refuses what `end_session_endpoint` does now.

    pyoidc believes a logout statement that any client signed, ends every session of a user on every device, writes pages and frames
    without escaping, and signs Logout Tokens that no RP can match. Whoever ended sessions by these functions does so by
    `oic_session_ext.sessions.administration`.
    """

    def unpack_signed_jwt(self, sjwt: str) -> NoReturn:
        """Raise ValueError, as pyoidc does for a statement that is not good: none is given out any more."""
        raise ValueError("logout is confirmed at the end-session endpoint")

    def do_verified_logout(self, sid: str, client_id: str, alla: bool = False, **kwargs: Any) -> NoReturn:
        """Raise NotImplementedError."""
        raise _replaced("do_verified_logout")

    def let_user_verify_logout(self, uid: str, esr: Any, cookie: Any, redirect_uri: str | None) -> NoReturn:
        """Raise NotImplementedError."""
        raise _replaced("let_user_verify_logout")

    def do_back_channel_logout(self, cinfo: Any, sub: str, sid: str) -> NoReturn:
        """Raise NotImplementedError."""
        raise _replaced("do_back_channel_logout")

    @staticmethod
    def do_front_channel_logout_iframe(*_: Any) -> NoReturn:
        """Raise NotImplementedError."""
        raise _replaced("do_front_channel_logout_iframe")


def _replaced(name: str) -> NotImplementedError:
    return NotImplementedError(f"{name}: sessions end at the end-session endpoint, or by oic_session_ext.sessions.administration")

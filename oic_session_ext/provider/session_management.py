"""Session management and logout for a pyoidc OP: `class MyOP(SessionManagementMixin, TheirOP)`.

It adds `session_state`, `sid`, the check-session iframe and the end-session endpoint, on an OP session that lives in a store. pyoidc's own
login cookie begins such a session once (docs/adr/0007-login-is-the-op-session.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from oic.utils.http_util import Response

from ..clients.logout_metadata import LogoutSupport
from ..errors import ConfigError, InvalidGrant, InvalidToken
from .base import MixinBase
from .client_database import check_clients
from .logout.pyoidc_logout_disabled import disabled
from .logout.routes import add_logout_metadata
from .management import SessionManagement
from .request.responses import json_error
from .request.scope import present_scope
from .request.web_request import Route
from .session_db.sealed_token import NoSuchGrant
from .session_db.session_backend import StoreSessionBackend


class SessionManagementMixin(MixinBase):
    """Adds OP sessions, session management and logout to the provider behind it.

    `session_management` is its one keyword argument that must be given; the provider's `sdb` must be
    `session_management.session_db(issuer)`.

    Raises: ConfigError: `sdb` is another one, whose sessions could not be ended together with the rest.
    """

    def __init__(self, *args: Any, session_management: SessionManagement, **kwargs: Any) -> None:
        super().__init__(*args, session_management=session_management, **kwargs)
        if not isinstance(getattr(self.sdb, "_db", None), StoreSessionBackend):
            raise ConfigError("sdb", "must be session_management.session_db(issuer)")
        if isinstance(self.cdb, dict):  # other databases may be large, and their clients were checked at registration
            check_clients(self.cdb, LogoutSupport.of(session_management.settings.delivery), self.name)

    def session_routes(self) -> list[Route]:
        """Return the routes to mount beside the OP's own; see `OpExtension.routes`."""
        return self.session_management.routes()

    def session_middleware(self, application: Callable[..., Iterable[bytes]], *, deliver: bool = True) -> Callable[..., Iterable[bytes]]:
        """Return a WSGI application with the session routes in front of `application`; see `OpExtension.middleware`."""
        return self.session_management.middleware(application, deliver=deliver)

    def end_session_endpoint(
        self, request: Any = "", cookie: Any = None, method: str = "GET", headers: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Response:
        """Answer a logout request; see `EndSessionEndpoint.answer`."""
        return self.session_management.end_session.answer(request, cookie, method, headers)

    def token_endpoint(self, request: Any = "", authn: str | None = "", dtype: str = "urlencoded", **kwargs: Any) -> Response:
        """Answer a token request in one unit of work, whichever token endpoint the provider behind it has."""
        ext, theirs = self.session_management, super().token_endpoint

        def work(_: object) -> Response:
            try:
                response: Response = theirs(request, authn, dtype, **kwargs)
            except NoSuchGrant:  # out of pyoidc's own endpoint, asked with a code or token whose grant has ended
                return json_error(InvalidGrant("the grant has ended"), realm=self.name)
            return response

        return ext.transactions.run(work, refuse=ext.refuse_as_json)

    def userinfo_endpoint(self, request: Any = "", **kwargs: Any) -> Response:
        """Answer a userinfo request in one unit of work, whichever userinfo endpoint the provider behind it has."""
        ext, theirs = self.session_management, super().userinfo_endpoint

        def work(_: object) -> Response:
            try:
                response: Response = theirs(request, **kwargs)
            except NoSuchGrant:  # out of pyoidc's own endpoint, asked with a token whose grant has ended
                return json_error(InvalidToken("this access token is not good"), realm=self.name)
            return response

        return ext.transactions.run(work, refuse=ext.refuse_as_json)

    def setup_session(self, areq: Any, authn_event: Any, cinfo: Any) -> str:
        """Make the grant and give it its place in the OP session."""
        theirs = super().setup_session
        return self.session_management.session_grants.set_up(present_scope(), lambda: theirs(areq, authn_event, cinfo))

    def create_authn_response(self, areq: Any, sid: str) -> Any:
        """Return pyoidc's response with `session_state` beside its code and tokens, whatever the response mode (OIDCSM-2)."""
        created, scope = super().create_authn_response(areq, sid), present_scope()
        if isinstance(created, tuple):
            created[0].update(self.session_management.session_grants.session_state(scope, scope.context()))
        return created

    def create_providerinfo(self, setup: Any = None) -> Any:
        """Return the provider's metadata with what session management adds."""
        return add_logout_metadata(self.session_management, super().create_providerinfo(setup))

    def unpack_signed_jwt(self, sjwt: str) -> NoReturn:
        """Raise ValueError, as pyoidc does for a bad logout statement: none is given out any more."""
        raise ValueError("logout is confirmed at the end-session endpoint")

    def do_verified_logout(self, sid: str, client_id: str, alla: bool = False, **kwargs: Any) -> NoReturn:
        """Raise NotImplementedError."""
        raise disabled("do_verified_logout")

    def let_user_verify_logout(self, uid: str, esr: Any, cookie: Any, redirect_uri: str | None) -> NoReturn:
        """Raise NotImplementedError."""
        raise disabled("let_user_verify_logout")

    def do_back_channel_logout(self, cinfo: Any, sub: str, sid: str) -> NoReturn:
        """Raise NotImplementedError."""
        raise disabled("do_back_channel_logout")

    @staticmethod
    def do_front_channel_logout_iframe(*_: Any) -> NoReturn:
        """Raise NotImplementedError."""
        raise disabled("do_front_channel_logout_iframe")

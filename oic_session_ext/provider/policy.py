"""Decisions that an OP may take its own way: a subclass of `OpPolicy`, given to the OP as `policy=`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oic.utils.http_util import Response

from ..settings import RequestObjectSettings

if TYPE_CHECKING:
    from .request.scope import AuthorizationContext, BrowserSession, RequestScope


class OpPolicy:
    """The decisions of an OP that has none of its own; each method and attribute may be overridden.

    Methods are called inside of the request's transaction: what they add to `scope.uow` is committed with the rest.
    """

    request_objects = RequestObjectSettings()
    """Which request objects this OP accepts, and clients may register (OIDCC-6)."""

    login_lifetime_s = 43_200
    """For how long pyoidc's own login cookie signs a user in, in seconds. With session management it only begins a session."""

    accepts_registration = False
    """Whether discovery names the registration endpoint."""

    offers_revocation = False
    """Whether discovery names the revocation endpoint, because it is mounted."""

    offers_introspection = False
    """Whether discovery names the introspection endpoint, because it is mounted."""

    def check_session(self, scope: RequestScope, browser: BrowserSession) -> None:
        """Called for each request of a browser, once its OP session is known; may end the session and `browser.end_session()`."""

    def consent_response(self, scope: RequestScope, context: AuthorizationContext, uid: str, client: Mapping[str, Any]) -> Response | None:
        """Return the response that asks the user to allow the client, None if there is nothing to ask (OIDCC-3.1.2.4).

        Raises: AuthorizationError: the user has refused, or `prompt=none` and the user would have to be asked.
        """
        return None

    def check_grant(self, grant_id: str, row: Mapping[str, Any]) -> None:
        """Called for each code and token that comes in, with pyoidc's row of its grant.

        Raises: TokenRefused: nothing that was issued from the grant is good any more, for example because its user is gone.
        """

    def check_registrant(self, authn: str | None) -> None:
        """Called for each registration with its Authorization header (OIDCREG-3).

        Raises: InvalidToken: this caller may not register a client.
        """

    def metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Return the provider metadata as discovery publishes it (OpenID Connect Discovery 1.0, 3)."""
        return metadata

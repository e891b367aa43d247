"""A grant's place in the OP session: the client's RP session, its `sid`, and `session_state` in the response (OIDCSM-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...session_management.sealed_salt import SealedSalts
from ...session_management.session_state import issue_session_state
from ...sessions.op_session import join_rp, use_op_session
from ...web.origin import origin_of
from ..parts import OpParts
from ..request.browser import Browsers
from ..request.scope import AuthorizationContext, RequestScope


class SessionGrants:
    """Puts grants into OP sessions, for an OP with session management."""

    def __init__(self, parts: OpParts, browsers: Browsers, sealed_salts: SealedSalts | None) -> None:
        self._parts = parts
        self._browsers = browsers
        self._sealed_salts = sealed_salts

    def set_up(self, scope: RequestScope, make: Callable[[], str]) -> str:
        """Make a grant with `make` and give it its place in the session: the client's `sid`, the same at each renewal.

        Returns the grant's id. Raises: RuntimeError: no user is signed in; such a grant would outlive every logout.
        """
        uow, session = scope.unit(), scope.present_browser().present
        if session is None:
            raise RuntimeError("a grant without an OP session")
        grant_id = make()
        grant = uow.grant(grant_id)
        assert grant is not None
        sub = str(grant.data["sub"])
        use_op_session(uow, session, self._parts.settings)
        sid = join_rp(uow, session, scope.context().client_id, sub, self._parts.settings).sid
        uow.put_grant(replace(grant, sub=sub, op_session_id=session.id, sid=sid, data={**grant.data, "sid": sid}))
        return grant_id

    def session_state(self, scope: RequestScope, context: AuthorizationContext) -> dict[str, str]:
        """Return `session_state` for a response, an error included (OIDCSM-2: SHOULD); nothing if the iframe is off."""
        if not self._parts.settings.check_session:
            return {}
        present, salts, salt = scope.present_browser().present, self._sealed_salts, None
        if salts is not None:
            origin = origin_of(context.redirect_uri)
            salt = salts.of_nobody() if present is None else salts.seal(present.id, context.client_id, origin)
        return {"session_state": issue_session_state(context.client_id, context.redirect_uri, self._browsers.state_of(present), salt)}

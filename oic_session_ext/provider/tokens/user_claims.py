"""The claims about a user at the seam: what a grant's request asks for, asked of the deployer's `userinfo`, in place of pyoidc.

pyoidc returns a claim whatever `value` the request wants, knows no `claims_locales`, and parses the whole request for each answer.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from oic.exception import FailedAuthentication
from oic.oic.message import SCOPE2CLAIMS, Claims
from oic.utils.session_backend import AuthnEvent

from ...claims import RequestedClaims, claims_of_scopes, matches_request, requested_claims, requested_locales
from ..parts import OpParts


class UserClaims:
    """Decides which claims about the user go into userinfo and ID Tokens."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def claims_of_scope(self) -> dict[str, Collection[str]]:
        """Return which claims each scope stands for: those of OIDCC-5.4 and the provider's own (`extra_scope_dict`)."""
        return {**SCOPE2CLAIMS, **(self._parts.op.extra_scope_dict or {})}

    def of_id_token(self, session: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the claims that the request wants in the ID Token; None, without parsing it, when it has no `claims`."""
        if '"claims"' not in session.get("authzreq", ""):
            return None
        request = json.loads(session["authzreq"])
        wishes = requested_claims(request, "id_token")
        return self._ask_userinfo(session, RequestedClaims(wishes, requested_locales(request))) if wishes else None

    def of_userinfo(self, session: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims for userinfo; for a response without an access token, those that its ID Token has in place of it (OIDCC-5.4).

        Raises: FailedAuthentication: the request asked for the claims of another user.
        """
        wishes = claims_of_scopes(session["scope"], self.claims_of_scope())
        locales: tuple[str, ...] = ()
        if '"claims' in session.get("authzreq", ""):
            request = json.loads(session["authzreq"])
            wishes |= requested_claims(request, "id_token" if request["response_type"] == "id_token" else "userinfo")
            locales = requested_locales(request)
        if not matches_request(session["sub"], wishes.get("sub")):
            raise FailedAuthentication("the claims of another user")
        return {**self._ask_userinfo(session, RequestedClaims(wishes, locales)), "sub": session["sub"]}

    def _ask_userinfo(self, session: Mapping[str, Any], wanted: RequestedClaims) -> dict[str, Any]:
        if allowed := session.get("permission"):  # what the deployer's own `AuthzHandling` has the user choose
            wanted = replace(wanted, wishes={name: wish for name, wish in wanted.wishes.items() if name in allowed})
        uid = AuthnEvent.from_json(session["authn_event"]).uid
        return wanted.told(self._parts.op.userinfo(uid, session["client_id"], Claims().from_dict(wanted.names())))

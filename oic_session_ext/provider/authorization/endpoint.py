"""The authorization endpoint: parse, decide who is signed in and whether they must sign in again, answer (OIDCC-3.1.2).

`AuthorizationEndpoint.answer` is called by the mixins' `authorization_endpoint`. Between its steps stand pyoidc's own methods
(`do_auth`, `setup_session`, `authz_part2`), called on the OP, so that an adopter's overrides of them take part.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from oic.exception import PyoidcError
from oic.oic.message import AuthorizationRequest
from oic.utils.http_util import Response
from oic.utils.session_backend import AuthnEvent

from ...clients.request_uris import FETCH_TIMEOUT_S, RequestUriFetch
from ...errors import InvalidRequest, ProtocolError
from ...session_management.storage_access import retry_headers
from ...web.guarded_fetch import GuardedFetch
from ..parts import OpParts
from ..request.browser import Browsers
from ..request.scope import Answered, AuthorizationContext, RequestScope, present_scope
from .acr import AcrChoice
from .login import Logins
from .request import AuthorizationError, check_authorization_request
from .request_object import RequestObjects
from .response import AuthorizationResponses
from .session_grants import SessionGrants
from .subject import sub_of

logger = logging.getLogger("oic_session_ext")

_OURS = ("id_token_hint", "upm_answer")
"""Parameters that pyoidc must not see: it would verify a hint with any client's key, and accept an RP's `upm_answer`."""


class AuthorizationEndpoint:
    """Answers authorization requests.

    Args:
        browsers: None for an OP without session management, as is `session_grants`.
    """

    def __init__(self, parts: OpParts, logins: Logins, browsers: Browsers | None, session_grants: SessionGrants | None) -> None:
        self._parts = parts
        self._logins = logins
        self._browsers = browsers
        self._session_grants = session_grants
        self._responses = AuthorizationResponses(parts)
        self._acrs = AcrChoice(parts)
        timeout_s = min(FETCH_TIMEOUT_S, parts.outbound.settings.timeout_s)
        self._request_uri_fetch = RequestUriFetch(GuardedFetch(parts.outbound, parts.address_guard, timeout_s=timeout_s))

    def answer(
        self,
        request: Any,
        cookie: str | None,
        headers: Mapping[str, str] | None,
        *,
        theirs: Callable[..., Response] | None,
        answered: Answered | None = None,
        **kwargs: Any,
    ) -> Response:
        """Answer an authorization request.

        Args:
            request: The query string, the form body, or a mapping.
            cookie: The Cookie header.
            headers: The request's headers in any case, of which the Fetch Metadata are read; None where the framework hides them.
            theirs: The adopter's own authorization endpoint, called in place of pyoidc's steps; None if there is none.
            answered: What the user has just answered for this request; the server's own pages alone may give it.
            kwargs: Further arguments for pyoidc.
        """
        text = urlencode(request) if isinstance(request, Mapping) else request

        def work(scope: RequestScope) -> Response:
            scope.answered = answered or Answered()
            if self._browsers is not None:
                try:
                    self._browsers.look_up(scope, cookie, headers)
                except InvalidRequest as err:
                    return self._parts.error_page(err)
            response = self._decide(scope, text, cookie, theirs, kwargs)
            if self._browsers is not None:
                response.headers += self._retry_headers(scope)
                response.headers += self._browsers.set_cookies(scope)
            return response

        return self._parts.transactions.run(work)

    # -- parse --------------------------------------------------------------------------------------------------------

    def _decide(
        self, scope: RequestScope, text: str, cookie: str | None, theirs: Callable[..., Response] | None, kwargs: dict[str, Any]
    ) -> Response:
        try:
            context = scope.authorization = check_authorization_request(
                text, client=self._parts.client, verify_hint=self._parts.verify_hint, take_object=self._take_request_object
            )
            return self._carry_out(scope, context, cookie, theirs, kwargs)
        except ProtocolError as err:
            if scope.grant_id is not None:  # the request has failed after all; a login that came with it stands
                del self._parts.op.sdb[scope.grant_id]
            if isinstance(err, AuthorizationError):
                return self._error_response(scope, err.context, err.error, err.description)
            if scope.authorization is not None and "none" in scope.authorization.prompt:  # no person sees a page (OIDCC-3.1.2.3)
                return self._error_response(scope, scope.authorization, err.error, err.description)
            return self._parts.error_page(err)

    def _take_request_object(self, parameters: Mapping[str, str], client: Mapping[str, Any]) -> dict[str, str]:
        return RequestObjects(
            issuer=self._parts.issuer,
            settings=self._parts.policy.request_objects,
            keys_of=self._parts.public_keys.of,
            fetch=self._request_uri_fetch.object_at,
            now=self._parts.clock(),
        ).merged(parameters, client)

    # -- decide -------------------------------------------------------------------------------------------------------

    def _carry_out(
        self,
        scope: RequestScope,
        context: AuthorizationContext,
        cookie: str | None,
        theirs: Callable[..., Response] | None,
        kwargs: dict[str, Any],
    ) -> Response:
        """Take pyoidc's steps for a request that is checked already, without its second parsing and its logging of all of it."""
        if theirs is not None:
            cleaned = urlencode([(name, value) for name, value in context.parameters.items() if name not in _OURS])
            return theirs(cleaned, cookie, **kwargs)
        op = self._parts.op
        client = op.cdb[context.client_id]
        if context.client_id not in op.keyjar.issuer_keys:
            op.recuperate_keys(context.client_id, client)
        areq = self._message_of(context)
        login = op.do_auth(areq, context.redirect_uri, client, "", cookie, **kwargs)
        if isinstance(login, Response):
            return login
        grant_id = op.setup_session(areq, login["authn_event"], client)
        response: Response = op.authz_part2(login["user"], areq, grant_id, cookie=cookie)
        return response

    def _message_of(self, context: AuthorizationContext) -> Any:
        """Return the checked request as pyoidc's message; scopes that this OP does not have are left out (OIDCC-3.1.2.1)."""
        values: dict[str, Any] = {name: value for name, value in context.parameters.items() if name not in _OURS}
        known = self._parts.op.capabilities["scopes_supported"]
        values["scope"] = [scope for scope in dict.fromkeys(values["scope"].split()) if scope in known]
        if context.max_age is not None:
            values["max_age"] = context.max_age
        if "prompt" in values:
            values["prompt"] = sorted(context.prompt)
        if "claims" in values:
            values["claims"] = json.loads(values["claims"])
        if "acr_values" not in values and (default := self._parts.op.cdb[context.client_id].get("default_acr_values")):
            values["acr_values"] = list(default)
        try:
            return AuthorizationRequest().from_dict(values)
        except PyoidcError as err:  # what is left: known names with a language tag and a value of another type
            raise AuthorizationError(context, "invalid_request", "a parameter is malformed") from err

    def check_auth_init(self, info: Any) -> Any:
        """Return what pyoidc's `auth_init` made of a checked request; an error goes to the RP, not as JSON to the person."""
        if isinstance(info, Response):
            logger.info("refused by pyoidc: status %s", info.status_code)
            raise AuthorizationError(present_scope().context(), "invalid_request", "the request cannot be carried out")
        return info

    def authenticate(self, areq: Any, client: Any, cookie: Any, authorization: str) -> Any:
        """Return the login that answers this request, as pyoidc's `do_auth` does, or the response that asks for one (OIDCC-3.1.2.3)."""
        scope = present_scope()
        context = scope.context()
        method, acr = self._acrs.pick_method(areq)
        if method is None:
            raise AuthorizationError(context, "unmet_authentication_requirements", "no way of signing in fits the request")
        login, is_fresh = self._logins.current(scope, method, acr, cookie, authorization)
        asks = login is None or (not is_fresh and self._must_sign_in_again(scope, context, login.acr, login.auth_time, areq))
        mismatch = login is not None and context.subs is not None and sub_of(login.uid, client) not in context.subs
        if asks or mismatch:
            if "none" in context.prompt or (mismatch and is_fresh):
                raise AuthorizationError(context, "login_required", "the user must sign in")
            return self._responses.ask_to_sign_in(method, acr, areq, client, context)
        assert login is not None
        waiting = self._parts.policy.consent_response(scope, context, login.uid, client)
        if waiting is not None:
            return waiting
        event = AuthnEvent(login.uid, "", authn_info=login.acr, time_stamp=login.auth_time)
        return {"authn_event": event, "identity": {"uid": login.uid}, "user": login.uid}

    def _must_sign_in_again(self, scope: RequestScope, context: AuthorizationContext, acr: str, auth_time: int, areq: Any) -> bool:
        if "login" in context.prompt or ("select_account" in context.prompt and not scope.answered.has_chosen_account):
            return True
        required = self._acrs.required(areq)
        if required and acr not in required:
            return True
        return context.max_age is not None and self._parts.clock() - auth_time >= context.max_age

    # -- the grant ----------------------------------------------------------------------------------------------------

    def make_grant(self, areq: Any, authn_event: Any, client: Mapping[str, Any], make: Callable[..., str]) -> str:
        """Make the grant with pyoidc's `setup_session`, and note it in case the request fails after all."""
        grant_id = make(areq, authn_event, {"client_salt": "", **client})
        present_scope().grant_id = grant_id
        return grant_id

    # -- answer -------------------------------------------------------------------------------------------------------

    def complete(self, user: str, areq: Any, grant_id: str, **kwargs: Any) -> Response:
        """Answer a request of a user who is signed in: the successful response, in the response mode that was asked for."""
        context = present_scope().context()
        op = self._parts.op
        result = op._complete_authz(user, areq, grant_id, **kwargs)
        if isinstance(result, Response):
            if result.status_code < 400:
                return result
            raise AuthorizationError(context, "server_error", "the request cannot be carried out")
        parameters = {name: " ".join(value) if isinstance(value, list) else value for name, value in result[0].to_dict().items()}
        parameters.pop("client_id", None)  # pyoidc sends it beside an access token; the RP knows who it is
        if "access_token" in parameters:
            parameters["expires_in"] = int(op.sdb.access_token.lifetime)
        if context.state is not None:
            parameters["state"] = context.state  # pyoidc loses an empty one
        return self._responses.send(context, parameters)

    def _error_response(self, scope: RequestScope, context: AuthorizationContext, error: str, description: str) -> Response:
        extra = {} if self._session_grants is None else self._session_grants.session_state(scope, context)
        return self._responses.send_error(context, error, description, extra)

    def _retry_headers(self, scope: RequestScope) -> list[tuple[str, str]]:
        context, headers = scope.authorization, scope.present_browser().headers
        if context is None or "none" not in context.prompt or not headers:
            return []
        return retry_headers(headers, (self._parts.client(context.client_id) or {}).get("redirect_uris") or ())

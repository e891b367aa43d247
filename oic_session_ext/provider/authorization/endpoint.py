"""The authorization endpoint at the seam: who is signed in, must they sign in again, and what the RP is answered."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from http.cookies import CookieError
from typing import Any
from urllib.parse import urlencode

from oic.exception import PyoidcError
from oic.oic.message import AuthorizationRequest
from oic.oic.provider import Provider as PyoidcProvider
from oic.utils.authn.user import NoSuchAuthentication, TamperAllert, ToOld
from oic.utils.http_util import InvalidCookieSign, Response
from oic.utils.sdb import pairwise_id
from oic.utils.session_backend import AuthnEvent

from ...clients.request_uris import FETCH_TIMEOUT_S, RequestUriFetch
from ...errors import ProtocolError
from ...web.guarded_fetch import GuardedFetch
from ...web.origin import origin_of
from ..base import Seam
from ..request.responses import RawResponse, RedirectResponse, authorization_location, page_response
from ..request.scope import Answered, AuthorizationContext, CompletedLogin, RequestScope
from .request import AuthorizationError, check_authorization_request
from .request_object import RequestObjects

logger = logging.getLogger("oic_session_ext")

_FRESH_LOGIN_S = 120
_OURS = ("id_token_hint", "upm_answer")
"""Parameters that pyoidc must not see: it would verify a hint with anybody's key, and believe an RP's `upm_answer`."""


class AuthorizationSeam(Seam):
    """Authorization as both mixins need it: checked before pyoidc, decided here, answered in every response mode."""

    login_lifetime_s = 43_200
    """How long pyoidc's own login cookie signs a user in, in seconds; where there are OP sessions it only begins one."""

    def authorization_endpoint(self, request: Any = "", cookie: str | None = None, **kwargs: Any) -> Response:
        """Answer an authorization request (OIDCC-3.1.2).

        `request` is the query string (or the form body, or a dict), `cookie` the Cookie header. `answered`, given by the server's own
        pages alone, tells what the user has just answered for this request.
        """
        answered: Answered = kwargs.pop("answered", None) or Answered()
        text = urlencode(request) if isinstance(request, Mapping) else request

        def work(scope: RequestScope) -> Response:
            scope.answered = answered
            try:
                context = scope.authorization = check_authorization_request(
                    text, client=self.client, verify_hint=self.verify_hint, take_object=self._take_request_object
                )
                return self._authorize(context, cookie, kwargs)
            except ProtocolError as err:
                self._drop_grant(scope)
                if isinstance(err, AuthorizationError):
                    return self._error_response(err.context, err.error, err.description)
                if scope.authorization is not None and "none" in scope.authorization.prompt:  # nobody sees a page (OIDCC-3.1.2.3)
                    return self._error_response(scope.authorization, err.error, err.description)
                return self.error_page(err)

        return self.in_scope(work)

    def _take_request_object(self, parameters: Mapping[str, str], client: Mapping[str, Any]) -> dict[str, str]:
        return RequestObjects(
            issuer=self.name,
            settings=self.request_objects,
            keys_of=self.public_keys.of,
            fetch=self._request_uri_fetch.object_at,
            now=self.clock(),
        ).merged(parameters, client)

    @cached_property
    def _request_uri_fetch(self) -> RequestUriFetch:
        """What fetches request objects."""
        timeout_s = min(FETCH_TIMEOUT_S, self.outbound.settings.timeout_s)
        return RequestUriFetch(GuardedFetch(self.outbound, self.address_guard, timeout_s=timeout_s))

    def _authorize(self, context: AuthorizationContext, cookie: str | None, kwargs: dict[str, Any]) -> Response:
        """Take pyoidc's steps for a request that is checked already, without its second parsing and its logging of all of it.

        An authorization endpoint of the deployer's own is called instead of these steps.
        """
        if not self._is_pyoidcs_own_endpoint:
            cleaned = urlencode([(name, value) for name, value in context.parameters.items() if name not in _OURS])
            return super().authorization_endpoint(cleaned, cookie, **kwargs)
        client = self.cdb[context.client_id]
        if context.client_id not in self.keyjar.issuer_keys:
            self.recuperate_keys(context.client_id, client)
        areq = self._message_of(context)
        login = self.do_auth(areq, context.redirect_uri, client, "", cookie, **kwargs)
        if isinstance(login, Response):
            return login
        grant_id = self.setup_session(areq, login["authn_event"], client)
        return self.authz_part2(login["user"], areq, grant_id, cookie=cookie)

    @cached_property
    def _is_pyoidcs_own_endpoint(self) -> bool:
        after = type(self).__mro__[type(self).__mro__.index(AuthorizationSeam) + 1 :]
        owner = next(one for one in after if "authorization_endpoint" in vars(one))
        return owner is PyoidcProvider

    def _message_of(self, context: AuthorizationContext) -> Any:
        """Return the checked request as pyoidc's message; scopes that this OP does not know are left out (OIDCC-3.1.2.1)."""
        values: dict[str, Any] = {name: value for name, value in context.parameters.items() if name not in _OURS}
        known = self.capabilities["scopes_supported"]
        values["scope"] = [scope for scope in dict.fromkeys(values["scope"].split()) if scope in known]
        if context.max_age is not None:
            values["max_age"] = context.max_age
        if "prompt" in values:
            values["prompt"] = sorted(context.prompt)
        if "claims" in values:
            values["claims"] = json.loads(values["claims"])
        if "acr_values" not in values and (default := self.cdb[context.client_id].get("default_acr_values")):
            values["acr_values"] = list(default)
        try:
            return AuthorizationRequest().from_dict(values)
        except PyoidcError as err:  # what is left: known names with a language tag and a value of another type
            raise AuthorizationError(context, "invalid_request", "a parameter is malformed") from err

    # -- decisions ----------------------------------------------------------------------------------------------------

    def auth_init(self, request: Any) -> Any:
        """Parse the checked request; what pyoidc still finds wrong goes to the RP, not as JSON to the person."""
        info = super().auth_init(request)
        if isinstance(info, Response):
            logger.info("refused by pyoidc: status %s", info.status_code)
            raise AuthorizationError(self.scope_and_context()[1], "invalid_request", "the request cannot be carried out")
        return info

    def required_user(self, areq: Any) -> str:
        """Return nobody: pyoidc would sign the user of a hint in without a cookie. `do_auth` minds the hint."""
        return ""

    def do_auth(self, areq: Any, redirect_uri: str, cinfo: Any, request: Any, cookie: Any, **kwargs: Any) -> Any:
        """Return the login that answers this request, or the response that asks for one (OIDCC-3.1.2.3)."""
        context = self.scope_and_context()[1]
        method, acr = self._pick_method(areq)
        if method is None:
            raise AuthorizationError(context, "unmet_authentication_requirements", "no way of signing in fits the request")
        login, is_fresh = self.current_login(method, acr, cookie, kwargs.get("authn", ""))
        asks = login is None or (not is_fresh and self._must_sign_in_again(context, login, areq))
        mismatch = login is not None and context.subs is not None and self.sub_of(login.uid, cinfo) not in context.subs
        if asks or mismatch:
            if "none" in context.prompt or (mismatch and is_fresh):
                raise AuthorizationError(context, "login_required", "the user must sign in")
            return self._ask_to_sign_in(method, acr, areq, cinfo, context)
        assert login is not None
        waiting = self.consent_response(context, login.uid, cinfo)
        if waiting is not None:
            return waiting
        event = AuthnEvent(login.uid, "", authn_info=login.acr, time_stamp=login.auth_time)
        return {"authn_event": event, "identity": {"uid": login.uid}, "user": login.uid}

    def current_login(self, method: Any, acr: str, cookie: Any, authorization: str) -> tuple[CompletedLogin | None, bool]:
        """Return who is signed in, None for nobody, and whether they signed in for this very request."""
        scope, context = self.scope_and_context()
        if scope.answered.login is not None:
            return scope.answered.login, True
        login = self.login_of_method(method, acr, cookie, authorization)
        claims_answer = context.parameters.get("upm_answer") == "true"
        age_s = 0 if login is None else self.clock() - login.auth_time
        if age_s >= self.login_lifetime_s:
            return None, False  # pyoidc believes its cookie for ever
        return login, login is not None and claims_answer and age_s < _FRESH_LOGIN_S

    def login_of_method(self, method: Any, acr: str, cookie: Any, authorization: str) -> CompletedLogin | None:
        """Return what a pyoidc authentication method says of the request's cookie, None for nobody or a bad cookie."""
        try:
            identity, at = method.authenticated_as(self.accepted_cookie(cookie), authorization=authorization, max_age=0)
        except (NoSuchAuthentication, TamperAllert, ToOld, InvalidCookieSign, CookieError, ValueError, AssertionError, KeyError):
            return None  # a forged or mangled cookie is no login; pyoidc would answer 500
        return None if identity is None else CompletedLogin(uid=str(identity["uid"]), acr=acr, auth_time=int(at) or self.clock())

    def is_session_revoked(self, request: Any = "", cookie: Any = None) -> bool:
        """Tell whether a browser's login is worth nothing: nobody is signed in, or the user's sessions are revoked.

        pyoidc raises a TypeError for a browser without a cookie.
        """
        method, acr = self.pick_auth({}, "any")
        login = self.login_of_method(method, acr, cookie, "")
        return login is None or bool(self.sdb.is_revoke_uid(login.uid))

    def consent_response(self, context: AuthorizationContext, uid: str, client: Mapping[str, Any]) -> Response | None:
        """Return the response that asks the user to allow the client, None when there is nothing to ask.

        An OP that asks overrides this; for `prompt=none` it raises `AuthorizationError` with `consent_required`.
        """
        return None

    def _must_sign_in_again(self, context: AuthorizationContext, login: CompletedLogin, areq: Any) -> bool:
        if "login" in context.prompt or ("select_account" in context.prompt and not self.scope().answered.has_chosen_account):
            return True
        wanted = self._acr_that_must_be_met(areq)
        if wanted and login.acr not in wanted:
            return True
        return context.max_age is not None and self.clock() - login.auth_time >= context.max_age

    def _pick_method(self, areq: Any) -> tuple[Any, str]:
        for acr in self._acr_claims(areq) or ():
            found = self.authn_broker.pick(acr, "exact")
            if found:
                return found[0][0], found[0][1]
        if self._acr_that_must_be_met(areq):
            return None, ""
        for comparison in ("", "better", "any"):
            method, acr = self.pick_auth(areq, comparison)
            if method:
                return method, acr
        return None, ""

    def _acr_that_must_be_met(self, areq: Any) -> list[str]:
        """Return the values of an essential `acr` claim; one that is merely wished for fails no request (OIDCC-5.5.1.1)."""
        wish = areq.get("claims", {}).get("id_token", {}).get("acr")
        is_essential = isinstance(wish, Mapping) and wish.get("essential") is True
        return list(self._acr_claims(areq) or ()) if is_essential else []

    def sub_of(self, uid: str, client: Mapping[str, Any]) -> str:
        """Return the `sub` by which a client knows a user, as pyoidc's `do_sub` makes it."""
        if client.get("subject_type", "public") == "public":
            return sha256(uid.encode()).hexdigest()
        return str(pairwise_id(uid, client.get("sector_id", ""), client.get("client_salt", "")))

    def _ask_to_sign_in(self, method: Any, acr: str, areq: Any, client: Mapping[str, Any], context: AuthorizationContext) -> Response:
        # without `upm_answer`: only the method itself may say that it has been answered
        query = urlencode([(name, value) for name, value in context.parameters.items() if name != "upm_answer"])
        asked: dict[str, Any] = {"authn_class_ref": acr, "query": query}
        asked.update({name: client[name] for name in ("policy_uri", "logo_uri", "tos_uri") if client.get(name)})
        asked.update({name: areq[name] for name in ("ui_locales", "acr_values", "login_hint") if name in areq})
        if context.hint is not None:
            asked["as_user"] = (context.hint.sub,)
        return method(**asked)

    def setup_session(self, areq: Any, authn_event: Any, cinfo: Mapping[str, Any]) -> str:
        """Make the grant, and remember it in case that the request fails after all."""
        grant_id: str = super().setup_session(areq, authn_event, {"client_salt": "", **cinfo})
        self.scope().grant_id = grant_id
        return grant_id

    def _drop_grant(self, scope: RequestScope) -> None:
        """Forget the grant of a request that has failed; a login that came with it stands."""
        if scope.grant_id is not None:
            del self.sdb[scope.grant_id]

    # -- answers ------------------------------------------------------------------------------------------------------

    def response_mode(self, areq: Any, fragment_enc: bool, **kwargs: Any) -> None:
        """Leave the response mode to `authz_part2`, which knows them all."""

    def authz_part2(self, user: str, areq: Any, sid: str, **kwargs: Any) -> Response:
        """Answer a request of a user who is signed in: the successful response, in the response mode asked for."""
        context = self.scope_and_context()[1]
        result = self._complete_authz(user, areq, sid, **kwargs)
        if isinstance(result, Response):
            if result.status_code < 400:
                return result
            raise AuthorizationError(context, "server_error", "the request cannot be carried out")
        response = result[0]
        parameters = {name: " ".join(value) if isinstance(value, list) else value for name, value in response.to_dict().items()}
        parameters.pop("client_id", None)  # pyoidc sends it beside an access token; the RP knows who it is
        if "access_token" in parameters:
            parameters["expires_in"] = int(self.sdb.access_token.lifetime)
        if context.state is not None:
            parameters["state"] = context.state  # pyoidc loses an empty one
        return self._answer(context, parameters)

    def error_parameters(self, context: AuthorizationContext) -> dict[str, str]:
        """Return what an error response carries besides the error, `state` and `iss`."""
        return {}

    def _error_response(self, context: AuthorizationContext, error: str, description: str) -> RawResponse:
        parameters = {"error": error, "error_description": description}
        if context.state is not None:
            parameters["state"] = context.state
        return self._answer(context, parameters | self.error_parameters(context))

    def _answer(self, context: AuthorizationContext, answer: Mapping[str, Any]) -> RawResponse:
        parameters = {**answer, "iss": self.name}  # whose answer it is, an error too (RFC 9207, 2)
        if context.response_mode != "form_post":
            return RedirectResponse(authorization_location(context.redirect_uri, parameters, context.response_mode))
        page = self.pages.render(
            "form_post", action=context.redirect_uri, fields=list(parameters.items()), form_targets=(origin_of(context.redirect_uri),)
        )
        return page_response(page)

    def scope_and_context(self) -> tuple[RequestScope, AuthorizationContext]:
        """Return the request being answered and its checked parameters. Raises: RuntimeError: outside of an authorization request."""
        scope = self.scope()
        if scope.authorization is None:
            raise RuntimeError("called outside of an authorization request")
        return scope, scope.authorization

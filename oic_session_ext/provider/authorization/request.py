"""An authorization request is checked before pyoidc sees it: first what a redirect needs, then the rest.

Until client and redirect URI are known to belong together an error is a page; afterwards it is redirected to the RP with its
`state` (OIDCC-3.1.2.6). A request object is merged before, so that all checks apply to its parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from ...clients.registry import RESPONSE_TYPES, has_refresh_grant
from ...clients.uris import is_registered_redirect
from ...errors import InvalidRequest, ProtocolError, UnknownClient
from ...logout.id_token_hint import BadHint, Hint
from ...web.parameters import parse_parameters, single_values
from ..request.scope import AuthorizationContext, ResponseMode

PROMPTS = ("none", "login", "consent", "select_account")
DISPLAYS = ("page", "popup", "touch", "wap")
_PKCE_VALUE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_MAX_LENGTH = {"state": 4096, "nonce": 1024, "redirect_uri": 2048, "client_id": 512, "login_hint": 1024}
TakeRequestObject: TypeAlias = Callable[[Mapping[str, str], Mapping[str, Any]], Mapping[str, str]]
"""Returns a request's parameters with those of its request object, given the client's metadata; raises ProtocolError."""
_KEPT_EMPTY = frozenset({"state", "request", "request_uri"})
"""What counts although it is empty: an RP may compare the one, the others are never passed over. Every other parameter without a value
is as if it had not been sent (RFC 6749, 3.1: MUST)."""
_NOT_A_CLAIM = frozenset({"self", "cls"})
"""pyoidc passes the names of claims on as keyword arguments, where these two end in a TypeError."""


class AuthorizationError(ProtocolError):
    """An error that may be redirected: client and redirect URI have been checked."""

    def __init__(self, context: AuthorizationContext, error: str, description: str) -> None:
        super().__init__(description, error=error)
        self.context = context


def check_authorization_request(
    text: str,
    *,
    client: Callable[[str], Mapping[str, Any] | None],
    verify_hint: Callable[[str, str | None], Hint],
    take_object: TakeRequestObject | None = None,
) -> AuthorizationContext:
    """Return the request as this OP will carry it out; its `parameters` are plain ones, without a request object.

    `take_object` is None where no request object can come: on the OP's own pages, whose requests were checked before.

    Raises:
        InvalidRequest, UnknownClient: answered with a page, never a redirect.
        AuthorizationError: may be redirected to the RP.
    """
    parameters = _with_values(single_values(parse_parameters(text)))
    _check_lengths(parameters)
    metadata = _client_of(parameters, client)
    if take_object is not None and ("request" in parameters or "request_uri" in parameters):
        parameters = _without_object(parameters, metadata, take_object)
    context = _redirectable(parameters, metadata)
    _check_response(context, metadata)
    _check_supported(context)
    _check_authentication(context)
    _check_pkce(context, metadata)
    return _with_users(_with_max_age(_without_idle_offline_access(context, metadata), metadata), verify_hint)


def _with_values(parameters: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in parameters.items() if value or name in _KEPT_EMPTY}


def _check_lengths(parameters: Mapping[str, str]) -> None:
    for name, limit in _MAX_LENGTH.items():
        if len(parameters.get(name, "")) > limit:
            raise InvalidRequest(f"{name} is too long")


def _without_object(parameters: Mapping[str, str], metadata: Mapping[str, Any], take_object: TakeRequestObject) -> Mapping[str, str]:
    """Return the request with its object's parameters; an error in the object goes to the RP if the parameters outside name it."""
    try:
        merged = _with_values(take_object(parameters, metadata))
    except ProtocolError as err:
        try:
            context = _redirectable(parameters, metadata)
        except InvalidRequest:
            raise err from None
        raise AuthorizationError(context, err.error, err.description) from err
    _check_lengths(merged)
    return merged


def _client_of(parameters: Mapping[str, str], client: Callable[[str], Mapping[str, Any] | None]) -> Mapping[str, Any]:
    client_id = parameters.get("client_id")
    if not client_id:
        raise InvalidRequest("client_id is missing")
    metadata = client(client_id)
    if metadata is None:
        raise UnknownClient("this application is not registered here")
    return metadata


def _redirectable(parameters: Mapping[str, str], metadata: Mapping[str, Any]) -> AuthorizationContext:
    redirect_uri = parameters.get("redirect_uri")
    if not redirect_uri:
        raise InvalidRequest("redirect_uri is missing")
    if not is_registered_redirect(redirect_uri, metadata["redirect_uris"]):
        raise InvalidRequest("redirect_uri is not registered for this application", error="invalid_redirect_uri")
    response_type = frozenset(parameters.get("response_type", "").split())
    default = "query" if response_type <= {"code"} else "fragment"
    mode = parameters.get("response_mode", default)
    is_for_web = redirect_uri.lower().startswith(("https://", "http://"))  # an application's own scheme takes no form
    return AuthorizationContext(
        client_id=parameters["client_id"],
        redirect_uri=redirect_uri,
        response_type=response_type,
        response_mode=cast(ResponseMode, mode if mode in ("query", "fragment") or (mode == "form_post" and is_for_web) else default),
        state=parameters.get("state"),
        prompt=frozenset(parameters.get("prompt", "").split()),
        max_age=None,
        parameters=parameters,
    )


def _check_response(context: AuthorizationContext, metadata: Mapping[str, Any]) -> None:
    if not context.response_type:
        raise AuthorizationError(context, "invalid_request", "response_type is missing")
    if context.response_type not in _sets(RESPONSE_TYPES):
        raise AuthorizationError(context, "unsupported_response_type", "this response_type is not supported")
    if context.response_type not in _sets(metadata.get("response_types") or ("code",)):
        raise AuthorizationError(context, "unauthorized_client", "this response_type is not registered for the application")
    mode = context.parameters.get("response_mode")
    if mode is not None and mode not in ("query", "fragment", "form_post"):
        raise AuthorizationError(context, "invalid_request", "this response_mode is not supported")
    if mode == "form_post" and context.response_mode != mode:
        raise AuthorizationError(context, "invalid_request", "a form cannot be posted to this redirect_uri")
    if mode == "query" and context.response_type != {"code"}:
        safe = replace(context, response_mode="fragment")
        raise AuthorizationError(safe, "invalid_request", "tokens are not sent in a query")
    if "openid" not in context.parameters.get("scope", "").split():
        raise AuthorizationError(context, "invalid_scope", "the openid scope is missing")
    if "id_token" in context.response_type and not context.parameters.get("nonce"):
        raise AuthorizationError(context, "invalid_request", "nonce is missing")


def _check_supported(context: AuthorizationContext) -> None:
    for name in ("request", "request_uri", "registration"):
        if name in context.parameters:  # pyoidc would take objects unverified, and fetch any URI it is given
            raise AuthorizationError(context, f"{name}_not_supported", f"{name} is not supported")


def _check_authentication(context: AuthorizationContext) -> None:
    if not context.prompt <= set(PROMPTS):
        raise AuthorizationError(context, "invalid_request", "this prompt is not supported")
    if "none" in context.prompt and len(context.prompt) > 1:
        raise AuthorizationError(context, "invalid_request", "prompt=none stands alone")
    max_age = context.parameters.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) <= 10):
        raise AuthorizationError(context, "invalid_request", "max_age is not a number of seconds")
    if context.parameters.get("display", "page") not in DISPLAYS:
        raise AuthorizationError(context, "invalid_request", "this display is not supported")
    if "claims" in context.parameters and not _is_claims_request(context.parameters["claims"]):
        raise AuthorizationError(context, "invalid_request", "claims is not a claims request")


def _is_claims_request(text: str) -> bool:
    try:
        claims = json.loads(text)
        if "\\u" in text:
            json.dumps(claims, ensure_ascii=False).encode()  # half a surrogate pair is no text: not every store keeps a consent to it
    except (ValueError, RecursionError):
        return False
    if not isinstance(claims, dict):
        return False
    parts = [claims[part] for part in ("userinfo", "id_token") if part in claims]
    return all(isinstance(part, dict) and all(_is_claim_wish(name, wish) for name, wish in part.items()) for part in parts)


def _is_claim_wish(name: str, wish: Any) -> bool:
    """Return whether a claim is asked for as OIDCC-5.5.1 says; pyoidc looks at the values without looking at their types."""
    if name in _NOT_A_CLAIM or not (wish is None or isinstance(wish, dict)):
        return False
    wish = wish or {}
    values = wish.get("values", [])
    wanted = [wish["value"], *values] if "value" in wish and isinstance(values, list) else values
    return isinstance(values, list) and (name not in ("acr", "sub") or all(isinstance(one, str) for one in wanted))


def _check_pkce(context: AuthorizationContext, metadata: Mapping[str, Any]) -> None:
    challenge = context.parameters.get("code_challenge")
    if challenge is None:
        if "code_challenge_method" in context.parameters:
            raise AuthorizationError(context, "invalid_request", "code_challenge is missing")
        if "code" in context.response_type and metadata.get("token_endpoint_auth_method") == "none":
            raise AuthorizationError(context, "invalid_request", "public applications must use PKCE")
        return
    if context.parameters.get("code_challenge_method") != "S256":
        raise AuthorizationError(context, "invalid_request", "code_challenge_method must be S256")
    if not _PKCE_VALUE.fullmatch(challenge):
        raise AuthorizationError(context, "invalid_request", "code_challenge is malformed")


def _without_idle_offline_access(context: AuthorizationContext, metadata: Mapping[str, Any]) -> AuthorizationContext:
    """Leave `offline_access` out where it is to be ignored.

    That is without a code or without the user's consent (OIDCC-11: MUST), and for a client that is given no refresh token.
    """
    scopes = context.parameters["scope"].split()
    if "offline_access" not in scopes:
        return context
    if "code" in context.response_type and "consent" in context.prompt and has_refresh_grant(metadata):
        return context
    kept = " ".join(scope for scope in scopes if scope != "offline_access")
    return replace(context, parameters={**context.parameters, "scope": kept})


def _with_max_age(context: AuthorizationContext, metadata: Mapping[str, Any]) -> AuthorizationContext:
    """Let the request's `max_age` go before the one that the client registered (OIDCREG-2)."""
    max_age = context.parameters.get("max_age", metadata.get("default_max_age"))
    return context if max_age is None else replace(context, max_age=int(max_age))


def _with_users(context: AuthorizationContext, verify_hint: Callable[[str, str | None], Hint]) -> AuthorizationContext:
    """Add the users that the request may be answered for: the user of the hint, the `sub` asked for as a claim (OIDCC-3.1.2.2: MUST)."""
    wishes = _wished_subs(context.parameters.get("claims"))
    text = context.parameters.get("id_token_hint")
    if text is not None:
        try:
            context = replace(context, hint=verify_hint(text, context.client_id))
        except BadHint as err:
            raise AuthorizationError(context, "invalid_request", "id_token_hint is not an ID Token of ours for this application") from err
        assert context.hint is not None
        wishes.append(frozenset({context.hint.sub}))
    return replace(context, subs=frozenset.intersection(*wishes)) if wishes else context


def _wished_subs(text: str | None) -> list[frozenset[str]]:
    claims = {} if text is None else json.loads(text)
    wishes = [claims.get(part, {}).get("sub") or {} for part in ("userinfo", "id_token")]
    named = [[wish["value"]] if "value" in wish else wish.get("values") for wish in wishes]
    return [frozenset(subs) for subs in named if subs is not None]


def _sets(response_types: Collection[str]) -> list[frozenset[str]]:
    return [frozenset(one.split()) for one in response_types]

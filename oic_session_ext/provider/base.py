"""What both mixins stand on.

The request's scope, the OP's keys, error pages, and the parts of pyoidc's constructor that are unsafe as they come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jwkest.jwe import JWEException
from oic.oic.provider import AuthorizationEndpoint, TokenEndpoint
from oic.utils.http_util import InvalidCookieSign, Response, make_cookie, parse_cookie
from oic.utils.keyio import KeyBundle

from ..clients.encryption import encrypt_for
from ..clients.keys import ClientKeys
from ..clock import Clock, system_clock
from ..crypto import jose
from ..crypto.secret_ring import SecretRing
from ..errors import Conflict, ProtocolError, StoreError
from ..events import NO_HOOKS, RequestToHostRefused
from ..logout.id_token_hint import Hint, verify_id_token_hint
from ..pages import Pages
from ..settings import DeliverySettings, OutboundSettings, RequestObjectSettings
from ..web.address_guard import AddressGuard
from ..web.guarded_fetch import GuardedFetch
from ..web.outbound.outbound import Outbound
from .client_database import CdbClients
from .keys import OpKeys
from .request.responses import RawResponse, json_error, page_response, retry_after, unavailable
from .request.scope import RequestScope, current_scope, enter_scope, leave_scope

if TYPE_CHECKING:
    from oic.oic.provider import Provider as _Provider
else:
    _Provider = object

logger = logging.getLogger("oic_session_ext")

ASSETS_URL = "session_assets"
"""Under which path, below the issuer's own, the pages' stylesheet and scripts are served."""

_ATTEMPTS = 4
"""How often a request is run when another one keeps changing what it had read."""

_MOST_IN_KEY_JAR = 10_000
"""Clients whose keys are held for pyoidc."""


class Seam(_Provider):
    """Cooperative base of the mixins; it is never used alone.

    Keyword arguments of its own: `secrets` (keys for all that the OP gives out; shared by all servers of a cluster), `pages`,
    `clock`. Everything else goes on to the provider behind it.
    """

    request_objects = RequestObjectSettings()
    """Which request objects this OP takes, and clients may register."""

    hooks = NO_HOOKS
    """The listeners for events."""

    def __init__(self, *args: Any, secrets: SecretRing, pages: Pages | None = None, clock: Clock = system_clock, **kwargs: Any) -> None:
        # pyoidc extends this list on the class when the instance has none: every OP in the process would share it
        self.endp = [AuthorizationEndpoint, TokenEndpoint]
        self.secrets = secrets
        self.clock = clock
        super().__init__(*args, **kwargs)
        self.pages = pages or Pages(asset_base=f"{urlsplit(self.baseurl).path.rstrip('/')}/{ASSETS_URL}")
        # pyoidc sets an empty seed, with which anybody can forge its login cookie, and a random one some time later
        self.seed = secrets.derive("pyoidc cookies")
        self.cookie_func = _without_sso_cookie(self.cookie_func)
        self.op_keys = OpKeys(self.keyjar)
        self.clients = CdbClients(self.cdb)

    def accepted_cookie(self, cookie: Any) -> Any:
        """Return a request's cookies so that pyoidc, which knows one seed, believes a login cookie made with any of the shared secrets."""
        if not isinstance(cookie, str):
            return cookie
        for seed in self.secrets.derive_all("pyoidc cookies"):
            with suppress(InvalidCookieSign, CookieError, ValueError):
                found = parse_cookie(self.cookie_name, seed, cookie, self.symkey)
                if found is not None and seed != self.seed:
                    load, timestamp = found
                    _, made = make_cookie(self.cookie_name, load, self.seed, timestamp=timestamp, enc_key=self.symkey)
                    jar = SimpleCookie(cookie)
                    jar[self.cookie_name] = SimpleCookie(made)[self.cookie_name].value
                    return jar.output(attrs=[], header="", sep=";").strip()
        return cookie

    def new_scope(self) -> RequestScope:
        """Return a fresh scope for one attempt at a request."""
        return RequestScope()

    def scope(self) -> RequestScope:
        """Return the scope of the request being answered. Raises: RuntimeError: outside of one."""
        scope = current_scope()
        if scope is None:
            raise RuntimeError("called outside of a request")
        return scope

    def in_scope(self, work: Callable[[RequestScope], Response], *, refuse: Callable[[ProtocolError], Response] | None = None) -> Response:
        """Run `work` and commit what it changed; when somebody else was first, run it again on what is there now.

        Inside of another scope of this provider it is part of that one. A store that does not keep it is answered with a 503, by
        `refuse` or by a page: nothing was kept, and the same request may succeed later.
        """
        outer = current_scope()
        if outer is not None and outer.owner is self:
            return work(outer)
        try:
            return self._run_and_commit(work)
        except StoreError as err:
            return (refuse or self.error_page)(unavailable("request", err))

    def _run_and_commit(self, work: Callable[[RequestScope], Response]) -> Response:
        for attempt in range(1, _ATTEMPTS + 1):
            scope = self.new_scope()
            scope.owner = self
            token = enter_scope(scope)
            try:
                response = work(scope)
                if scope.uow is not None:
                    scope.uow.commit()
                return scope.after_commit() if scope.after_commit is not None else response
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
            finally:
                leave_scope(token)
        raise AssertionError("the last attempt returns or raises")

    def refuse_as_json(self, error: ProtocolError) -> Response:
        """Return an error as the JSON that programs read."""
        return json_error(error, realm=self.name)

    def verify_hint(self, hint: str, client_id: str | None) -> Hint:
        """Return whose ID Token this is and for which client. Raises: BadHint: it proves nothing (OIDCRIL-2, -4)."""
        return verify_id_token_hint(hint, issuer=self.name, client_id=client_id, keys=self, now=self.clock())

    def issuer_keys(self) -> list[jose.Key]:
        """Return the keys that may have signed an ID Token of this OP."""
        return self.op_keys.issuer_keys()

    def decryption_keys(self) -> list[jose.Key]:
        """Return the OP's private encryption keys."""
        return self.op_keys.decryption_keys()

    def client(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's metadata, None when it is not registered."""
        return self.clients.get(client_id)

    def outbound_settings(self) -> DeliverySettings:
        """Return how this OP reaches the servers of its clients: which networks it may enter, which certificates it believes."""
        return DeliverySettings()

    def outbound_limits(self) -> OutboundSettings:
        """Return the limits for documents that this OP fetches."""
        return OutboundSettings()

    @cached_property
    def address_guard(self) -> AddressGuard:
        """What judges the addresses that a client's registration leads to (SEC-08)."""
        return AddressGuard(self.outbound_settings().allow_networks)

    @cached_property
    def outbound(self) -> Outbound:
        """What sends requests to the servers of clients, Logout Tokens among them."""
        hooks = self.hooks
        return Outbound(
            self.address_guard,
            self.outbound_limits(),
            ca_file=self.outbound_settings().ca_file,
            on_refused=lambda host, problem: hooks.emit(RequestToHostRefused(host, problem)),
        )

    @cached_property
    def guarded_fetch(self) -> GuardedFetch:
        """What fetches documents from where a client's registration says."""
        return GuardedFetch(self.outbound, self.address_guard)

    @cached_property
    def public_keys(self) -> ClientKeys:
        """The public keys of clients, registered or fetched."""
        return ClientKeys(self.guarded_fetch, self.clock)

    def recuperate_keys(self, cid: str, client_info: Mapping[str, Any]) -> None:
        """Load a client's registered keys into pyoidc's key jar; that a public client has no secret is no fault.

        pyoidc's own way fetches any `jwks_uri`, unguarded, and answers a malformed key with an exception. What is published elsewhere
        is fetched when it is needed, by `public_keys`.
        """
        self._fill_key_jar(cid, client_info, [] if client_info.get("jwks_uri") else self.public_keys.usable_jwks(client_info))

    def encrypt(self, payload: Any, client_info: Mapping[str, Any], cid: str, val_type: str = "id_token", cty: str = "") -> Any:
        """Encrypt for a client, with its keys as they are now, in place of pyoidc, which offers RSA1_5 and takes any key.

        Raises: JWEException: no key of the client's fits.
        """
        try:
            return encrypt_for(client_info, self.public_keys, payload, "userinfo" if val_type == "userinfo" else "id_token", cty=cty)
        except jose.BadKey as err:
            raise JWEException(str(err)) from err

    def _fill_key_jar(self, cid: str, client_info: Mapping[str, Any], jwks: list[dict[str, Any]]) -> None:
        jar = self.keyjar.issuer_keys
        jar[cid] = [KeyBundle(jwks)] if jwks else []
        if client_info.get("client_secret"):
            self.keyjar.add_symmetric(cid, client_info["client_secret"], usage=["enc", "sig"])
        if len(jar) > _MOST_IN_KEY_JAR:  # anybody may register; whose keys are gone has them loaded anew
            for other in list(jar)[: -_MOST_IN_KEY_JAR // 2]:
                if other:  # the OP's own are under the empty name
                    jar.pop(other, None)

    def error_page(self, error: ProtocolError, *, sign_out_action: str | None = None) -> RawResponse:
        """Return the page that tells a person what was wrong; nothing of the request is on it.

        `sign_out_action` is where a "sign out" button leads, None for no such button (OIDCRIL-4).
        """
        logger.info("refused: %s (%s) %s", error.error, error.description, error.detail)
        if error.status == 503:
            response = page_response(self.pages.render("unavailable", status=503))
            response.headers += retry_after(error)
            return response
        page = self.pages.render(
            "error", status=error.status, error=error.error, description=error.description, sign_out_action=sign_out_action
        )
        return page_response(page)


def _without_sso_cookie(cookie_func: Callable[..., Any]) -> Callable[..., Any]:
    """pyoidc's `pyoidc_sso` cookie names the user and one client, in clear; the OP session knows better."""

    def cookie(value: str, typ: str = "", *args: Any, **kwargs: Any) -> Any:
        return None if typ == "sso" else cookie_func(value, typ, *args, **kwargs)

    return cookie

"""What the endpoint objects of one OP share: pyoidc's provider, the settings, the keys, the clients, the pages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from oic.utils.http_util import Response

from ..clients.keys import ClientKeys
from ..clock import Clock
from ..crypto import jose
from ..crypto.secret_ring import SecretRing
from ..errors import ProtocolError
from ..events import Hooks, RequestToHostRefused
from ..logout.id_token_hint import Hint, verify_id_token_hint
from ..pages import Pages
from ..settings import SessionManagementSettings
from ..store.base import Store
from ..store.unit_of_work import UnitOfWork
from ..web.address_guard import AddressGuard
from ..web.guarded_fetch import GuardedFetch
from ..web.outbound.outbound import Outbound
from .client_database import CdbClients
from .keys import OpKeys
from .policy import OpPolicy
from .request.responses import RawResponse, json_error, page_response, retry_after
from .request.transaction import Transactions
from .session_db.session_backend import stored_row

logger = logging.getLogger("oic_session_ext")

ASSETS_URL = "session_assets"
"""The path, below the issuer's own, under which the pages' stylesheet and scripts are served."""


class OpParts:
    """The parts of one OP. What pyoidc's constructor sets is read when it is needed, never copied.

    Attributes:
        op: pyoidc's provider with the adopter's class around it. Its methods are called where pyoidc itself would call them.
        store: None for an OP without session management.
    """

    def __init__(
        self,
        op: Any,
        *,
        secrets: SecretRing,
        clock: Clock,
        pages: Pages | None,
        policy: OpPolicy,
        settings: SessionManagementSettings,
        store: Store | None,
        hooks: Hooks,
    ) -> None:
        self.op = op
        self.secrets = secrets
        self.clock = clock
        self.policy = policy
        self.settings = settings
        self.store = store
        self.hooks = hooks
        self._pages = pages
        self.transactions = Transactions(self.new_unit, self.error_page)

    # -- addresses ----------------------------------------------------------------------------------------------------

    @property
    def issuer(self) -> str:
        """The issuer identifier."""
        return str(self.op.name)

    @property
    def base_path(self) -> str:
        """The path of the issuer's address, without a slash at its end."""
        return urlsplit(self.op.baseurl).path.rstrip("/")

    def endpoint_uri(self, path: str) -> str:
        """Return the full address of an endpoint."""
        return f"{self.op.baseurl.rstrip('/')}/{path}"

    # -- the store ----------------------------------------------------------------------------------------------------

    def new_unit(self) -> UnitOfWork | None:
        """Return a fresh unit of work, None for an OP without a store."""
        if self.store is None:
            return None
        return UnitOfWork(self.store, self.clock(), stored_row=stored_row, hooks=self.hooks)

    # -- keys and clients ---------------------------------------------------------------------------------------------

    @cached_property
    def op_keys(self) -> OpKeys:
        """The OP's own keys."""
        return OpKeys(self.op.keyjar)

    @cached_property
    def clients(self) -> CdbClients:
        """The OP's client database."""
        return CdbClients(self.op.cdb)

    def client(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's metadata, None if it is not registered."""
        return self.clients.get(client_id)

    def issuer_keys(self) -> list[jose.Key]:
        """Return the keys that may have signed an ID Token of this OP."""
        return self.op_keys.issuer_keys()

    def decryption_keys(self) -> list[jose.Key]:
        """Return the OP's private encryption keys."""
        return self.op_keys.decryption_keys()

    def verify_hint(self, hint: str, client_id: str | None) -> Hint:
        """Return whose ID Token this is and for which client. Raises: BadHint: it proves nothing (OIDCRIL-2, -4)."""
        return verify_id_token_hint(hint, issuer=self.issuer, client_id=client_id, keys=self, now=self.clock())

    # -- requests to others -------------------------------------------------------------------------------------------

    @cached_property
    def address_guard(self) -> AddressGuard:
        """Judges the addresses that a client's registration leads to (SEC-08)."""
        return AddressGuard(self.settings.delivery.allow_networks)

    @cached_property
    def outbound(self) -> Outbound:
        """Sends requests to the servers of clients, Logout Tokens among them."""
        hooks = self.hooks
        return Outbound(
            self.address_guard,
            self.settings.outbound,
            ca_file=self.settings.delivery.ca_file,
            on_refused=lambda host, problem: hooks.emit(RequestToHostRefused(host, problem)),
        )

    @cached_property
    def guarded_fetch(self) -> GuardedFetch:
        """Fetches documents from addresses that clients have registered."""
        return GuardedFetch(self.outbound, self.address_guard)

    @cached_property
    def public_keys(self) -> ClientKeys:
        """The public keys of clients, registered or fetched."""
        return ClientKeys(self.guarded_fetch, self.clock)

    # -- responses ----------------------------------------------------------------------------------------------------

    @cached_property
    def pages(self) -> Pages:
        """The pages for people."""
        return self._pages or Pages(asset_base=f"{self.base_path}/{ASSETS_URL}")

    def refuse_as_json(self, error: ProtocolError) -> Response:
        """Return an error as JSON, for programs."""
        return json_error(error, realm=self.issuer)

    def error_page(self, error: ProtocolError, *, sign_out_action: str | None = None) -> RawResponse:
        """Return the page that reports an error to a person; nothing of the request is on it.

        `sign_out_action` is the address of a "sign out" button, None for no such button (OIDCRIL-4).
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

"""Logout Tokens at the seam: signed as the ID Tokens of the same client, encrypted when these are (OIDCBCL-2.4, -2.6)."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from ...clients.encryption import encrypt_for
from ...crypto import jose
from ...logout.backchannel.delivery import Delivery
from ...logout.backchannel.logout_token import LOGOUT_TOKEN_TYP
from ...logout.backchannel.notice_worker import DeliveryParts
from ...settings import SessionManagementSettings
from ...store.base import Store
from .end_session import EndSessionSeam

_DEFAULT_ALG = "RS256"
_STOP_WAIT_S = 10.0
_STARTING = threading.Lock()


class LogoutTokenSeam(EndSessionSeam):
    """Signs Logout Tokens, and makes what delivers them."""

    store: Store
    session_settings: SessionManagementSettings
    _delivers_in: int | None = None
    """The process that `start_delivery` was called in."""

    def sign_logout_token(self, claims: Mapping[str, Any], client: Mapping[str, Any]) -> str:
        """Return the Logout Token for a client with this metadata.

        Signed with the `alg` of its ID Tokens; one registered with `none` gets RS256, since an unsigned one proves nothing (BC-16). It is
        encrypted exactly when its ID Tokens are (OIDCBCL-2.4), the type in the inner header, `iss` in the outer. A client whose library
        chokes on the type is registered with `backchannel_logout_token_typ: false`.

        Raises: BadKey: no key of ours, or no secret or key of the client's, fits.
        """
        alg = str(client.get("id_token_signed_response_alg") or _DEFAULT_ALG)
        typ = None if client.get("backchannel_logout_token_typ") is False else LOGOUT_TOKEN_TYP
        token = jose.sign(
            claims, self._key_of(_DEFAULT_ALG if alg == "none" else alg, client), _DEFAULT_ALG if alg == "none" else alg, typ=typ
        )
        if not client.get("id_token_encrypted_response_alg"):
            return token
        return encrypt_for(client, self.public_keys.known, token, "id_token", extra_header={"iss": str(claims["iss"])})

    def new_delivery(self) -> Delivery:
        """Return a delivery of this OP's notices, not yet begun; whoever begins it puts it into `delivery`, so that logouts use it."""
        settings = self.session_settings.delivery
        return Delivery(
            DeliveryParts(self.store, self.clients, self, settings, self.name, self.clock, self.hooks, self.outbound, self.public_keys)
        )

    def start_delivery(self) -> None:
        """Begin to tell RPs over the back channel, in threads of this process; once, and after any fork.

        Without it notices are recorded and left to another process: a server, or `oic-session-ext deliver`.
        """
        delivery = self.new_delivery()
        delivery.start()
        self.delivery = delivery
        self._delivers_in = os.getpid()

    def ensure_delivery(self) -> None:
        """Begin to tell RPs unless this process does so already; threads that were begun before a fork are not there after it."""
        if self._delivers_in != os.getpid():
            with _STARTING:
                if self._delivers_in != os.getpid():
                    self.start_delivery()

    def stop_delivery(self, timeout_s: float = _STOP_WAIT_S) -> None:
        """End what `start_delivery` began; what is under way is waited for, for so long at most. The store is closed after it."""
        delivery, self.delivery = self.delivery, None
        if isinstance(delivery, Delivery):
            delivery.stop(timeout_s)
        self.outbound.stop()

    def _key_of(self, alg: str, client: Mapping[str, Any]) -> jose.Key:
        if alg in jose.MAC_ALGS:
            return jose.mac_key(str(client.get("client_secret") or ""), alg)
        try:
            return self.op_keys.signing_key(alg)
        except KeyError as err:
            raise jose.BadKey(f"no key of this OP fits {alg}") from err

"""How the use cases learn about clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..store.base import Store


class ClientRegistry(Protocol):
    """Knows the registered clients, static and dynamic."""

    def get(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's metadata, None when it is not registered.

        The names are those of registration: `client_name`, `client_secret`, `id_token_signed_response_alg`,
        `frontchannel_logout_uri`, `backchannel_logout_uri` and so on; `post_logout_redirect_uris` is a list of
        strings, each exactly as it was registered.
        """
        ...


class KnownClients:
    """A `ClientRegistry` without a provider: the clients of the settings, then those that registered themselves."""

    def __init__(self, static: Mapping[str, Mapping[str, Any]], store: Store) -> None:
        self._static = static
        self._store = store

    def get(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's metadata, None when it is not registered. Redirect URIs are as pyoidc keeps them."""
        if client_id in self._static:
            return self._static[client_id]
        client = self._store.client(client_id)
        return None if client is None else client.metadata


RESPONSE_TYPES = (
    "code",
    "id_token",
    "id_token token",
    "code id_token",
    "code token",
    "code id_token token",
)


def has_refresh_grant(metadata: Mapping[str, Any]) -> bool:
    """Return whether a client may be given refresh tokens; one that registered no `grant_types` may not (OIDCREG-2)."""
    return "refresh_token" in (metadata.get("grant_types") or ())

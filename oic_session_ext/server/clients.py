"""The clients of the bundled server: those of the settings file, and dynamically registered ones."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from oic.utils.clientdb import BaseClientDatabase

from ..errors import Conflict, StoreUnavailable
from ..model import Client
from ..provider.request.scope import current_scope
from ..store.base import Store
from ..store.changes import ClaimFact
from ..store.unit_of_work import UnitOfWork
from ..web.origin import origin_of
from .config.client import ClientSettings

_SALT = "pairwise_salt"
_OWN_URI_LISTS = ("redirect_uris", "post_logout_redirect_uris")


class ServerClients(BaseClientDatabase):
    """pyoidc's client database: static clients are in memory, dynamically registered ones in the store."""

    def __init__(self, static: tuple[ClientSettings, ...], store: Store) -> None:
        super().__init__()
        self._store = store
        self._pairwise_salt = _pairwise_salt(store)
        self._static = {
            one.client_id: self.as_pyoidc(one.metadata()) | {"consent": one.consent, "introspection": one.introspection} for one in static
        }
        self._static_origins = frozenset(origin for metadata in self._static.values() for origin in origins_of(metadata))

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return a client's metadata in pyoidc's form. Raises: KeyError: the client is not registered."""
        if key in self._static:
            return self._static[key]
        scope = current_scope()
        found = scope.uow.client(key) if scope is not None and scope.uow is not None else self._store.client(key)
        if found is None:
            raise KeyError(key)
        return dict(found.metadata)

    def __setitem__(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a dynamically registered client. Raises: KeyError: the id belongs to a client of the settings file."""
        if key in self._static:
            raise KeyError(key)
        self._uow().put_client(Client(key, dict(value), origins_of(value)))

    def __delitem__(self, key: str) -> None:
        """Remove a dynamically registered client. Raises: KeyError: the client is in the settings file."""
        if key in self._static:
            raise KeyError(key)
        self._uow().delete_client(key)

    def keys(self) -> list[str]:
        """Return the ids of all clients."""
        return [*self._static, *self._store.client_ids()]

    def items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return all clients."""
        return ((key, self[key]) for key in self.keys())

    def of_settings(self) -> list[Mapping[str, Any]]:
        """Return the metadata of the clients in the settings file."""
        return list(self._static.values())

    def is_origin(self, origin: str) -> bool:
        """Return whether a client has a redirect URI of this web origin."""
        return origin in self._static_origins or self._store.is_client_origin(origin)

    def as_pyoidc(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return client metadata in pyoidc's form: each redirect URI as `(uri, None)`, which preserves its exact text."""
        shaped = dict(metadata)
        for name in _OWN_URI_LISTS:
            shaped[name] = [[uri, None] for uri in metadata.get(name) or ()]
        shaped["client_salt"] = self._pairwise_salt
        if metadata.get("subject_type") == "pairwise":
            shaped["sector_id"] = urlsplit(metadata.get("sector_identifier_uri") or metadata["redirect_uris"][0]).hostname
        return shaped

    def _uow(self) -> UnitOfWork:
        scope = current_scope()
        if scope is None or scope.uow is None:
            raise RuntimeError("clients are registered within a request")
        return scope.uow


def _pairwise_salt(store: Store) -> str:
    """Return the salt that makes pairwise `sub` values unguessable; the cluster keeps one for ever, also across rotations."""
    for _ in range(3):
        if known := store.fact(_SALT):
            return known
        with suppress(Conflict):  # another server was first
            store.commit([ClaimFact(_SALT, secrets.token_urlsafe(32))])
    raise StoreUnavailable("the pairwise salt cannot be stored")


def origins_of(metadata: Mapping[str, Any]) -> frozenset[str]:
    """Return the web origins of a client's redirect URIs, as browsers write them."""
    return frozenset(origin for uri, _ in metadata["redirect_uris"] if (origin := origin_of(uri)) != "null")

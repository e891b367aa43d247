"""A client's public keys: as it registered them, or fetched from its `jwks_uri`, guarded and remembered (OIDCC-10.1)."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock
from ..crypto import jose
from ..web.guarded_fetch import FetchFailed, GuardedFetch

logger = logging.getLogger("oic_session_ext")

_FRESH_S = 3600
_RETRY_S = 60
"""How soon after a fetch the next one may be made, for a key that is not among the fetched ones or after a failure."""
_MOST_KEYS = 100
_MOST_SETS = 500


@dataclass(slots=True)
class _Fetched:
    lock: threading.Lock = field(default_factory=threading.Lock)
    jwks: list[dict[str, Any]] = field(default_factory=list)
    tried_at: int | None = None
    fetched_at: int | None = None


class ClientKeys:
    """Gives the keys of clients; those of a `jwks_uri` are fetched at most once a minute for each client, by one thread at a time.

    Each client has its own: one that registers anew under the address of an older one, with other keys, signs in at once.
    """

    def __init__(self, fetch: GuardedFetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._sets: OrderedDict[tuple[str, str], _Fetched] = OrderedDict()

    def of(self, client: Mapping[str, Any], kid: str | None = None) -> list[jose.Key]:
        """Return the RSA and EC keys that can be used; what is malformed or weak among them is left out and logged.

        `kid`: the key that a token names; when it is not among the known ones, they are fetched anew, if that is due.
        """
        return [key for _, key in self._usable(client, kid)]

    def usable_jwks(self, client: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the same keys as JWKs."""
        return [jwk for jwk, _ in self._usable(client, None)]

    def _usable(self, client: Mapping[str, Any], kid: str | None) -> list[tuple[dict[str, Any], jose.Key]]:
        found = []
        for jwk in self.jwks(client, kid):
            try:
                found.append((jwk, jose.import_key(jwk)))
            except jose.BadKey as err:
                if jwk.get("kty") in ("RSA", "EC"):
                    logger.warning("client %s: a registered key cannot be used: %s", client.get("client_id"), err)
        return found

    def jwks(self, client: Mapping[str, Any], kid: str | None = None) -> list[dict[str, Any]]:
        """Return the client's public JWKs as they are published; an empty list when there are none or they cannot be had."""
        uri = client.get("jwks_uri")
        if not uri:
            return _keys_of(client.get("jwks")) or []
        entry = self._entry(str(client.get("client_id")), str(uri))
        with entry.lock:
            if self._is_due(entry, kid):
                entry.tried_at = self._clock()
                try:
                    keys = _keys_of(self._fetch.json(str(uri)))
                    if keys is None:
                        raise FetchFailed("is not a JSON Web Key Set")
                    entry.jwks, entry.fetched_at = keys, entry.tried_at
                except FetchFailed as err:  # what was fetched before is still the best that is known
                    logger.warning("client %s: its jwks_uri %s", client.get("client_id"), err)
            return entry.jwks

    def _is_due(self, entry: _Fetched, kid: str | None) -> bool:
        now = self._clock()
        if entry.tried_at is None:
            return True
        if now - entry.tried_at < _RETRY_S:
            return False
        is_unknown = kid is not None and all(jwk.get("kid") != kid for jwk in entry.jwks)
        return is_unknown or entry.fetched_at is None or now - entry.fetched_at >= _FRESH_S

    def _entry(self, client_id: str, uri: str) -> _Fetched:
        with self._lock:
            entry = self._sets.setdefault((client_id, uri), _Fetched())
            self._sets.move_to_end((client_id, uri))
            if len(self._sets) > _MOST_SETS:
                self._sets.popitem(last=False)
            return entry


def _keys_of(jwks: Any) -> list[dict[str, Any]] | None:
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        return None
    return [{name: value for name, value in key.items() if name not in _PRIVATE} for key in keys[:_MOST_KEYS] if isinstance(key, dict)]


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})

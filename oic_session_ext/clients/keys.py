"""A client's public keys: as it registered them, or fetched from its `jwks_uri`, guarded and remembered (OIDCC-10.1)."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock
from ..crypto import jose
from ..web.guarded_fetch import FetchFailed, FetchRefused, GuardedFetch, parse_json
from ..web.outbound.http_answer import HttpAnswer

logger = logging.getLogger("oic_session_ext")

_FRESH_S = 3600
_RETRY_S = 60
"""How soon after a fetch the next one may be made, for a key that is not among the fetched ones or after a failure."""
_MOST_KEYS = 100
_MOST_SETS = 500


_AHEAD_S = 30
"""How much earlier than needed `prefetch` fetches keys; longer than any lock is held."""
_JOIN_S = 0.5
"""How long a thread waits for a fetch that another thread started, if no keys are known."""


@dataclass(slots=True)
class _Fetched:
    jwks: list[dict[str, Any]] = field(default_factory=list)
    tried_at: int | None = None
    fetched_at: int | None = None
    flight: Future[None] | None = None

    def knows(self, kid: str | None) -> bool:
        """Return whether the keys were fetched, and the named one is among them."""
        return self.fetched_at is not None and (kid is None or any(jwk.get("kid") == kid for jwk in self.jwks))


class ClientKeys:
    """Gives the keys of clients; those of a `jwks_uri` are fetched at most once a minute for each client, by one thread at a time.

    Each client has its own keys: a client that registers again under the address of an older one, with other keys, signs in at once.
    """

    def __init__(self, fetch: GuardedFetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._sets: OrderedDict[tuple[str, str], _Fetched] = OrderedDict()

    def of(self, client: Mapping[str, Any], kid: str | None = None) -> list[jose.Key]:
        """Return the RSA and EC keys that can be used; malformed and weak keys are left out and logged.

        `kid`: the key that a token names; if it is not among the known keys, they are fetched again, if that is due.

        Raises: FetchRefused: as `jwks`.
        """
        return [key for _, key in _usable(client, self.jwks(client, kid))]

    def usable_jwks(self, client: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the same keys as JWKs. Raises: FetchRefused: as `jwks`."""
        return [jwk for jwk, _ in _usable(client, self.jwks(client))]

    def jwks(self, client: Mapping[str, Any], kid: str | None = None) -> list[dict[str, Any]]:
        """Return all of a client's keys as JWKs without private parts.

        Keys that are due are fetched: the thread that starts the fetch waits for it. Other threads use the keys that are known, or wait
        a moment if there are none. No thread waits for a lock.

        Raises: FetchRefused: no keys are known, and too many threads wait for fetches (503).
        """
        uri = client.get("jwks_uri")
        if not uri:
            return _keys_of(client.get("jwks")) or []
        return self._up_to_date(client, kid, 0)

    def prefetch(self, client: Mapping[str, Any], kid: str | None = None) -> None:
        """Fetch a client's keys if they are due now or in the next half minute, so that `jwks` does not have to.

        For callers that need the keys while they hold a lock: call this before taking it. Raises: FetchRefused: as `jwks`.
        """
        if client.get("jwks_uri"):
            self._up_to_date(client, kid, _AHEAD_S)

    def begin_fetch(self, client: Mapping[str, Any]) -> Future[None] | None:
        """Start to fetch a client's keys in the background if they are due; None if there is nothing to wait for.

        The future ends when the attempt ends, with or without keys, and has no exception. It must not be cancelled.
        """
        if not client.get("jwks_uri"):
            return None
        try:
            return self._flight(self._entry(client), client, None, 0)[0]
        except FetchFailed as err:
            logger.info("client %s: its jwks_uri %s", client.get("client_id"), err)
            return None

    @property
    def known(self) -> KnownKeys:
        """The keys as they are known now, without any fetch."""
        return KnownKeys(self)

    def known_jwks(self, client: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the keys that are known now."""
        return self._entry(client).jwks if client.get("jwks_uri") else _keys_of(client.get("jwks")) or []

    def _up_to_date(self, client: Mapping[str, Any], kid: str | None, ahead_s: int) -> list[dict[str, Any]]:
        entry = self._entry(client)
        if entry.flight is not None and entry.knows(kid):
            return entry.jwks
        if entry.flight is None and not self._is_due(entry, kid, self._clock() + ahead_s):
            return entry.jwks
        try:
            self._wait_for(entry, client, kid, ahead_s)
        except FetchRefused as err:
            self.begin_fetch(client)  # so that the same request succeeds a moment later
            if not entry.knows(kid):
                raise FetchRefused("the keys of the client cannot be fetched now, please try again") from err
        except FetchFailed as err:
            logger.info("client %s: its jwks_uri %s", client.get("client_id"), err)
        return entry.jwks

    def _wait_for(self, entry: _Fetched, client: Mapping[str, Any], kid: str | None, ahead_s: int) -> None:
        with self._fetch.place_to_wait(str(client["jwks_uri"])):
            flight, is_mine = self._flight(entry, client, kid, ahead_s)
            if flight is None or (not is_mine and entry.knows(kid)):
                return
            wait([flight], None if is_mine else _JOIN_S)  # the flight itself has a deadline
            if not flight.done():
                raise FetchRefused("is being fetched")

    def _flight(self, entry: _Fetched, client: Mapping[str, Any], kid: str | None, ahead_s: int) -> tuple[Future[None] | None, bool]:
        """Return the fetch under way, None if none is due, and whether this call has started it. Raises: FetchFailed: it is refused."""
        with self._lock:
            if entry.flight is not None:
                return entry.flight, False
            now = self._clock()
            if not self._is_due(entry, kid, now + ahead_s):
                return None, False
            document = self._fetch.begin(str(client["jwks_uri"]))
            flight: Future[None] = Future()
            entry.flight, entry.tried_at = flight, now
        document.add_done_callback(lambda done: self._landed(entry, client, flight, done))
        return flight, True

    def _landed(self, entry: _Fetched, client: Mapping[str, Any], flight: Future[None], document: Future[HttpAnswer]) -> None:
        try:
            keys = _keys_of(parse_json(self._fetch.result_of(document)))
            if keys is None:
                raise FetchFailed("is not a JSON Web Key Set")
            entry.jwks, entry.fetched_at = keys, entry.tried_at
        except FetchFailed as err:  # what was fetched before is still the best that is known
            logger.warning("client %s: its jwks_uri %s", client.get("client_id"), err)
        finally:
            entry.flight = None
            flight.set_result(None)

    def _is_due(self, entry: _Fetched, kid: str | None, now: int) -> bool:
        if entry.tried_at is None:
            return True
        if now - entry.tried_at < _RETRY_S:
            return False
        return not entry.knows(kid) or now - (entry.fetched_at or 0) >= _FRESH_S

    def _entry(self, client: Mapping[str, Any]) -> _Fetched:
        key = (str(client.get("client_id")), str(client["jwks_uri"]))
        with self._lock:
            entry = self._sets.setdefault(key, _Fetched())
            self._sets.move_to_end(key)
            if len(self._sets) > _MOST_SETS:
                self._sets.popitem(last=False)
            return entry


class KnownKeys:
    """The keys of clients as `ClientKeys` knows them now; nothing is fetched."""

    def __init__(self, keys: ClientKeys) -> None:
        self._keys = keys

    def usable_jwks(self, client: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the RSA and EC keys that can be used, as JWKs."""
        return [jwk for jwk, _ in _usable(client, self._keys.known_jwks(client))]


def _usable(client: Mapping[str, Any], jwks: list[dict[str, Any]]) -> list[tuple[dict[str, Any], jose.Key]]:
    found = []
    for jwk in jwks:
        try:
            found.append((jwk, jose.import_key(jwk)))
        except jose.BadKey as err:
            if jwk.get("kty") in ("RSA", "EC"):
                logger.warning("client %s: a registered key cannot be used: %s", client.get("client_id"), err)
    return found


def _keys_of(jwks: Any) -> list[dict[str, Any]] | None:
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        return None
    return [{name: value for name, value in key.items() if name not in _PRIVATE} for key in keys[:_MOST_KEYS] if isinstance(key, dict)]


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})

"""The login pages' own web session, carried by Beaker: which requests wait for an answer, and the pages' CSRF token.

It never says who is signed in. Beaker signs its id and its data are JSON in our store, since its own back ends pickle
(docs/adr/0004-beakers-part.md).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import astuple, dataclass, replace
from typing import Any

from beaker.container import NamespaceManager
from beaker.middleware import SessionMiddleware
from beaker.session import Session

from ...clock import Clock
from ...crypto.secret_ring import SecretRing
from ...errors import InvalidRequest
from ...model import EphemeralRecord
from ...session_management.browser_cookies import read_cookies
from ...store.base import Store
from ...store.changes import DeleteEphemeral, PutEphemeral

ENVIRON_KEY = "oic_session_ext.web_session"
_KIND = "web_session"
_LIFETIME_S = 3600
_SIGNATURE = 40
_MAX_PENDING = 8
_MAX_PENDING_BYTES = 32 * 1024


class StoreNamespace(NamespaceManager):  # type: ignore[misc]
    """Keeps one Beaker session as a short-lived record; its key is the digest of the session's id."""

    def __init__(self, namespace: str, store: Store, clock: Clock, **kwargs: Any) -> None:
        super().__init__(namespace)
        self._store = store
        self._clock = clock
        self._key = hashlib.sha256(namespace.encode()).hexdigest()

    def __getitem__(self, key: str) -> str:
        """Return the session's JSON as Beaker packs it: compressed, in base64. Raises: KeyError: there is none."""
        record = self._store.ephemeral(_KIND, self._key, self._clock())
        if record is None:
            raise KeyError(key)
        return str(record.payload["data"])

    def __setitem__(self, key: str, value: str) -> None:
        """Keep the session's JSON as Beaker packs it."""
        record = EphemeralRecord(_KIND, self._key, self._clock() + _LIFETIME_S, {"data": value})
        self._store.commit([PutEphemeral(record)])

    def __delitem__(self, key: str) -> None:
        """Forget the session."""
        self._store.commit([DeleteEphemeral(_KIND, self._key)])

    def __contains__(self, key: str) -> bool:
        return self._store.ephemeral(_KIND, self._key, self._clock()) is not None

    def do_remove(self) -> None:
        """Forget the session."""
        del self["session"]


class SignedSession(Session):  # type: ignore[misc]
    """A Beaker session whose id any of the shared secrets may have signed; Beaker itself knows one.

    Beaker sees its own cookie alone, and only when it came once: its reader stops at a name that it does not like, so that a cookie of a
    sibling host would keep everybody from signing in, and of two it takes the last.
    """

    def __init__(self, request: MutableMapping[str, Any], *, secrets: SecretRing, key: str, **options: Any) -> None:
        ours, *others = (one.hex() for one in secrets.derive_all("web session"))
        signed = read_cookies(request.get("cookie")).get(key, "")
        if any(hmac.compare_digest(signed.encode(), _signed(signed[_SIGNATURE:], one).encode()) for one in others):
            signed = _signed(signed[_SIGNATURE:], ours)
        request["cookie"] = f"{key}={signed}" if signed.isascii() and signed.isalnum() else ""
        super().__init__(request, key=key, **options | {"secret": ours})


def _signed(session_id: str, secret: str) -> str:
    """Return a session's id as Beaker's `SignedCookie` writes it."""
    return hmac.new(secret.encode(), session_id.encode(), "sha1").hexdigest() + session_id


def web_session_middleware(
    application: Callable[..., Iterable[bytes]], *, store: Store, clock: Clock, secrets: SecretRing, is_https: bool
) -> Callable[..., Iterable[bytes]]:
    """Return the application with a web session in its environ; a key of `secrets` signs the session's id."""
    return SessionMiddleware(  # type: ignore[no-any-return]
        application,
        {
            "session.key": "__Host-op_login" if is_https else "op_login",
            "session.session_class": SignedSession,
            "session.data_serializer": "json",
            "session.httponly": True,
            "session.secure": is_https,
            "session.samesite": "Lax",
            "session.cookie_path": "/",
            "session.save_accessed_time": False,
        },
        environ_key=ENVIRON_KEY,
        secrets=secrets,
        namespace_class=StoreNamespace,
        store=store,
        clock=clock,
    )


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """An authorization request that waits for an answer of the user.

    `asked_of` is the id of the OP session whose user the question is put to, None before it is put.
    """

    query: str
    is_signed_in: bool = False
    asked_of: str | None = None


class WebSession:
    """What the login and consent pages remember of a browser between two requests."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._session: MutableMapping[str, Any] = environ[ENVIRON_KEY]

    def csrf_token(self) -> str:
        """Return the token that the pages' forms carry, made at the first use."""
        if "csrf" not in self._session:
            self._session["csrf"] = secrets.token_urlsafe(32)
            self._save()
        return str(self._session["csrf"])

    def check_csrf_token(self, given: str) -> None:
        """Raises: InvalidRequest: it is not this browser's token."""
        known = str(self._session.get("csrf", ""))
        if not known or not hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass")):
            raise InvalidRequest("this page was open for too long, or cookies are blocked; go back to the application and try again")

    def wait(self, query: str, *, is_signed_in: bool = False) -> str:
        """Remember an authorization request that waits for the user; return the name by which the form finds it.

        `is_signed_in` tells that the user has signed in for this request already. Of too many the oldest are forgotten.
        """
        request_id = secrets.token_urlsafe(16)
        self._keep(request_id, WaitingRequest(query, is_signed_in))
        return request_id

    def ask(self, request_id: str, op_session_id: str) -> None:
        """Note whom a question about a waiting request is put to."""
        waiting = self.waiting(request_id)
        if waiting is not None and waiting.asked_of != op_session_id:
            self._keep(request_id, replace(waiting, asked_of=op_session_id))

    def waiting(self, request_id: str) -> WaitingRequest | None:
        """Return the request that waits under a name, None when it is forgotten."""
        found = self._session.get("waiting", {}).get(request_id)
        return None if found is None else WaitingRequest(*found)

    def answered(self, request_id: str) -> None:
        """Forget a request that waits no longer."""
        waiting = dict(self._session.get("waiting", {}))
        if waiting.pop(request_id, None) is not None:
            self._session["waiting"] = waiting
            self._save()

    def _keep(self, request_id: str, request: WaitingRequest) -> None:
        waiting = dict(self._session.get("waiting", {}))
        waiting[request_id] = list(astuple(request))
        while len(waiting) > 1 and (len(waiting) > _MAX_PENDING or sum(len(one[0]) for one in waiting.values()) > _MAX_PENDING_BYTES):
            del waiting[next(iter(waiting))]
        self._session["waiting"] = waiting
        self._save()

    def _save(self) -> None:
        self._session.save()  # type: ignore[attr-defined]

"""Checks of the store: whether it is usable, whether its issuer is right, and which logout notices are not delivered."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import ConfigError, SessionExtError
from ...model import NoticeState
from ...store import open_store
from ...store.base import Store
from ..config.settings import ServerSettings
from .finding import Finding, Severity

_LATE_S = 600
_MOST_CLIENTS = 1000
_SQLITE = "sqlite:///"


@contextmanager
def stored(settings: ServerSettings) -> Iterator[Store | Exception | None]:
    """Yield the store; None if it does not exist yet (it is not created), the exception if it cannot be opened."""
    if settings.store == "memory:" or (settings.store.startswith(_SQLITE) and not Path(settings.store.removeprefix(_SQLITE)).exists()):
        yield None
        return
    try:
        store = open_store(settings.store)
    except SessionExtError as err:
        yield err
        return
    try:
        yield store
    finally:
        store.close()


def examine_store(settings: ServerSettings, store: Store | Exception | None, now: int) -> Iterator[Finding]:
    """Yield problems of the store and of the notices in it."""
    if store is None:
        if settings.store != "memory:":
            yield Finding(Severity.NOTE, "store", "does not exist yet", "None: the first start creates it.", "Nothing to do.")
        return
    if isinstance(store, Exception):
        yield _unusable(store)
        return
    try:
        store.ping()
        yield from _issuer(settings, store)
        yield from _notices(store, now)
    except SessionExtError as err:
        yield _unusable(err)


def registered_clients(settings: ServerSettings, store: Store | Exception | None) -> Mapping[str, Mapping[str, Any]]:
    """Return the metadata of the clients in the settings and of the first thousand dynamically registered clients."""
    found: dict[str, Mapping[str, Any]] = {client.client_id: client.metadata() for client in settings.clients}
    if isinstance(store, Store):
        try:
            for client_id in store.client_ids()[:_MOST_CLIENTS]:
                client = store.client(client_id)
                if client is not None:
                    uris = {name: _texts(client.metadata.get(name)) for name in ("redirect_uris", "post_logout_redirect_uris")}
                    found.setdefault(client_id, {**client.metadata, **uris})
        except SessionExtError as err:
            logging.getLogger("oic_session_ext").warning("registered clients cannot be read: %s", err)
    return found


def _texts(uris: Any) -> list[str]:
    """Return URIs as text; pyoidc stores pairs of URI and query, and this package leaves the query in the URI."""
    return [uri if isinstance(uri, str) else uri[0] for uri in uris or ()]


def _unusable(err: Exception) -> Finding:
    return Finding(
        Severity.PROBLEM,
        "store",
        f"cannot be used: {err.problem if isinstance(err, ConfigError) else err}",
        "No user can sign in or out; the response to every request is 503.",
        "Follow the message: start it, grant access to the OP's user, or run `oic-session-ext migrate`.",
    )


def _issuer(settings: ServerSettings, store: Store) -> Iterator[Finding]:
    issuer = store.fact("issuer")
    if issuer is not None and issuer != settings.issuer:
        yield Finding(
            Severity.PROBLEM,
            "issuer",
            f"is {settings.issuer}, the store's is {issuer}",
            "The server refuses to start: clients would get tokens of an unknown issuer.",
            "Use another store, or the issuer with which the store was created.",
        )


def _notices(store: Store, now: int) -> Iterator[Finding]:
    first = store.notices(1, state=NoticeState.PENDING)
    if first and first[0].due_at < now - _LATE_S:
        yield Finding(
            Severity.PROBLEM,
            "logout.backchannel.deliver",
            f"a client has been waiting for {(now - first[0].due_at) // 60} minutes for a logout notice, which no process delivers",
            "Users who have signed out are still signed in at clients.",
            "Start a server, or `oic-session-ext deliver` if the setting is `elsewhere`.",
        )
    given_up = store.notice_counts()[NoticeState.UNDELIVERABLE]
    if given_up:
        yield Finding(
            Severity.WARNING,
            "notices",
            f"{given_up} could not be delivered",
            "Users who have signed out may still be signed in at these clients.",
            "See `oic-session-ext notices list --state undeliverable`; repair the clients, then `notices resend`.",
        )

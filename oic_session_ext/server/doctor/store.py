"""What the store tells: that it can be used, whose it is, and which logouts have not come through."""

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
    """Give the store; None where there is none yet, the exception where it cannot be opened. What is not there is not made."""
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
    """Yield what is wrong with the store or waits in it."""
    if store is None:
        if settings.store != "memory:":
            yield Finding(Severity.NOTE, "store", "is not there yet", "Nothing: the first start makes it.", "Nothing.")
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
    """Return the clients of the settings, and of those that registered themselves the first thousand, as registration spells them."""
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
    """Return URIs as text; pyoidc keeps each in a pair with its query, which ours leaves in the text."""
    return [uri if isinstance(uri, str) else uri[0] for uri in uris or ()]


def _unusable(err: Exception) -> Finding:
    return Finding(
        Severity.PROBLEM,
        "store",
        f"cannot be used: {err.problem if isinstance(err, ConfigError) else err}",
        "Nobody can sign in or out; every request is answered 503.",
        "Start it, let the OP's user in, or run `oic-session-ext migrate`, as the message says.",
    )


def _issuer(settings: ServerSettings, store: Store) -> Iterator[Finding]:
    issuer = store.fact("issuer")
    if issuer is not None and issuer != settings.issuer:
        yield Finding(
            Severity.PROBLEM,
            "issuer",
            f"is {settings.issuer}, the store's is {issuer}",
            "The server refuses to start: clients would be sent tokens of another issuer than they know.",
            "Take a store of its own, or the issuer that the store was made with.",
        )


def _notices(store: Store, now: int) -> Iterator[Finding]:
    first = store.notices(1, state=NoticeState.PENDING)
    if first and first[0].due_at < now - _LATE_S:
        yield Finding(
            Severity.PROBLEM,
            "logout.backchannel.deliver",
            f"a client has been waiting for {(now - first[0].due_at) // 60} minutes to be told of a logout, and nobody does",
            "Users who have signed out are still signed in at clients.",
            "Start a server, or `oic-session-ext deliver` where the setting is `elsewhere`.",
        )
    given_up = store.notice_counts()[NoticeState.UNDELIVERABLE]
    if given_up:
        yield Finding(
            Severity.WARNING,
            "notices",
            f"{given_up} could not be delivered",
            "Users who have signed out may still be signed in at these clients.",
            "See `oic-session-ext notices list --state undeliverable`; mend the clients, then `notices resend`.",
        )

"""Static clients from memory, registered ones from the store: one look-up for both, in pyoidc's shape."""

from __future__ import annotations

from typing import Any

import pytest

from oic_session_ext.errors import Conflict, StoreUnavailable
from oic_session_ext.model import Client
from oic_session_ext.provider.request.scope import RequestScope, enter_scope, leave_scope
from oic_session_ext.server.clients import ServerClients, origins_of
from oic_session_ext.server.config.client import ClientSettings
from oic_session_ext.store.changes import ClaimFact, PutClient
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork
from oic_session_ext.testing.examples import NOW

STATIC = ClientSettings.model_validate(
    {
        "client_id": "web",
        "client_secret": "secret",
        "redirect_uris": ["https://web.example.com/cb?a=1", "https://web.example.com:8443/cb"],
        "post_logout_redirect_uris": ["https://web.example.com/out"],
        "consent": "skip",
    }
)
REGISTERED: dict[str, Any] = {"client_id": "new", "redirect_uris": [["https://new.example.com/cb", None]]}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clients(store: MemoryStore) -> ServerClients:
    return ServerClients((STATIC,), store)


def keep(clients: ServerClients, store: MemoryStore, key: str, metadata: dict[str, Any] | None) -> None:
    """Register (or with None forget) a client as a request does."""
    scope = RequestScope(UnitOfWork(store, NOW))
    token = enter_scope(scope)
    try:
        if metadata is None:
            del clients[key]
        else:
            clients[key] = metadata
    finally:
        leave_scope(token)
    assert scope.uow is not None
    scope.uow.commit()


def test_a_static_client_has_pyoidcs_shape_and_every_uri_as_it_was_written(clients: ServerClients) -> None:
    client = clients["web"]

    assert client["redirect_uris"] == [["https://web.example.com/cb?a=1", None], ["https://web.example.com:8443/cb", None]]
    assert client["post_logout_redirect_uris"] == [["https://web.example.com/out", None]]
    assert (client["client_secret"], client["consent"]) == ("secret", "skip")


def test_an_unknown_client_is_none(clients: ServerClients) -> None:
    with pytest.raises(KeyError):
        clients["nobody"]


def test_a_registered_client_is_found_afterwards_by_every_server(clients: ServerClients, store: MemoryStore) -> None:
    keep(clients, store, "new", REGISTERED)

    assert ServerClients((), store)["new"]["redirect_uris"] == REGISTERED["redirect_uris"]
    assert clients.keys() == ["web", "new"]
    assert [key for key, _ in clients.items()] == ["web", "new"]


def test_a_registered_client_can_be_forgotten(clients: ServerClients, store: MemoryStore) -> None:
    keep(clients, store, "new", REGISTERED)
    keep(clients, store, "new", None)

    with pytest.raises(KeyError):
        clients["new"]


def test_a_static_client_can_neither_be_replaced_nor_forgotten(clients: ServerClients, store: MemoryStore) -> None:
    for metadata in (REGISTERED, None):
        with pytest.raises(KeyError):
            keep(clients, store, "web", metadata)


def test_the_settings_file_wins_over_a_registration_of_the_same_name(store: MemoryStore) -> None:
    store.commit([PutClient(Client("web", {"redirect_uris": [["https://evil.example.com/", None]]}, frozenset()))])

    assert ServerClients((STATIC,), store)["web"]["client_secret"] == "secret"


def test_clients_are_registered_within_a_request_alone(clients: ServerClients) -> None:
    with pytest.raises(RuntimeError):
        clients["new"] = REGISTERED


@pytest.mark.parametrize(
    ("origin", "is_one"),
    [
        ("https://web.example.com", True),
        ("https://web.example.com:8443", True),
        ("https://new.example.com", True),
        ("https://web.example.com:443", False),
        ("http://web.example.com", False),
        ("null", False),
        ("", False),
    ],
)
def test_the_origins_of_redirect_uris_are_known(clients: ServerClients, store: MemoryStore, origin: str, is_one: bool) -> None:
    keep(clients, store, "new", REGISTERED)

    assert clients.is_origin(origin) is is_one


def test_an_apps_own_scheme_has_no_origin() -> None:
    assert origins_of({"redirect_uris": [["com.example.app:/cb", None]]}) == frozenset()


# -- pairwise ---------------------------------------------------------------------------------------------------------


def test_pairwise_clients_of_one_host_share_a_sector_and_a_secret_salt(clients: ServerClients) -> None:
    metadata = {"client_id": "p", "redirect_uris": ["https://pair.example.com/cb"], "subject_type": "pairwise"}

    shaped = clients.as_pyoidc(metadata)

    assert shaped["sector_id"] == "pair.example.com"
    assert len(shaped["client_salt"]) >= 40
    assert "sector_id" not in clients["web"]


def test_the_salt_is_the_same_on_every_server_and_after_a_restart(store: MemoryStore) -> None:
    assert ServerClients((STATIC,), store)["web"]["client_salt"] == ServerClients((STATIC,), store)["web"]["client_salt"]
    assert ServerClients((STATIC,), MemoryStore())["web"]["client_salt"] != ServerClients((STATIC,), store)["web"]["client_salt"]


def test_of_two_servers_that_start_at_once_one_makes_the_salt(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = store.fact
    answers = iter([None])
    monkeypatch.setattr(store, "fact", lambda name: next(answers, fact(name)))
    store.commit([ClaimFact("pairwise_salt", "the other's")])

    assert ServerClients((STATIC,), store)["web"]["client_salt"] == "the other's"


def test_a_store_that_keeps_no_salt_stops_the_start(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(changes: list[object]) -> None:
        raise Conflict(changes[0])

    monkeypatch.setattr(store, "commit", refuse)

    with pytest.raises(StoreUnavailable):
        ServerClients((STATIC,), store)

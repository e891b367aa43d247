"""Logout Tokens that are encrypted with keys which must be fetched first: an RP whose keys do not arrive delays only itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from ipaddress import ip_network
from typing import Any

import pytest

from oic_session_ext.clients.encryption import encrypt_for
from oic_session_ext.clients.keys import ClientKeys
from oic_session_ext.clock import system_clock
from oic_session_ext.errors import SessionExtError
from oic_session_ext.events import NO_HOOKS
from oic_session_ext.logout.backchannel.delivery import Delivery
from oic_session_ext.logout.backchannel.notice_worker import DeliveryParts
from oic_session_ext.model import LogoutNotice, NotifyStatus
from oic_session_ext.settings import DeliverySettings
from oic_session_ext.store.changes import EndOpSession, PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.examples import example_notice, example_op_session
from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.guarded_fetch import GuardedFetch
from oic_session_ext.web.outbound.outbound import Outbound
from tests.logout.backchannel.simulation import Simulation
from tests.web.outbound.servers import SilentServer, serving

ENCRYPTED = {"id_token_encrypted_response_alg": "RSA-OAEP-256"}


class Clients:
    """A registry in which the clients named `encrypted...` want encrypted tokens."""

    def get(self, client_id: str) -> dict[str, Any]:
        extra = ENCRYPTED if client_id.startswith("encrypted") else {}
        return {"client_id": client_id, "backchannel_logout_uri": f"https://{client_id}.example.org/logout", **extra}


class Keys:
    """Keys that arrive when a test says so."""

    def __init__(self) -> None:
        self.pending: Future[None] | None = Future()

    def begin_fetch(self, _client: Mapping[str, Any]) -> Future[None] | None:
        return self.pending

    def arrive(self) -> None:
        assert self.pending is not None
        self.pending.set_result(None)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def op(keys: Keys) -> Simulation:
    return Simulation(keys=keys, clients=Clients())


def sent(op: Simulation) -> list[str]:
    return [notice.client_id for notice in op.sent]


def test_a_notice_waits_for_its_clients_keys_and_the_others_do_not(op: Simulation) -> None:
    op.add(1, "encrypted")
    op.add(3, "plain")

    op.step()

    assert sent(op) == ["plain"] * 3


def test_a_notice_is_sent_when_the_keys_arrive(op: Simulation, keys: Keys) -> None:
    op.add(2, "encrypted")
    op.step()
    keys.arrive()

    op.run(2)

    assert sent(op) == ["encrypted"] * 2
    assert op.store.notices(1) == []


def test_a_token_is_made_when_the_keys_arrive_and_not_before(op: Simulation, keys: Keys) -> None:
    op.add(1, "encrypted")
    op.step()
    op.clock.advance(10)
    keys.arrive()

    op.step()

    assert [claims["iat"] for claims in op.signer.signed] == [op.clock.now]


def test_keys_that_are_known_are_not_waited_for(op: Simulation, keys: Keys) -> None:
    keys.pending = None
    op.add(1, "encrypted")

    op.step()

    assert sent(op) == ["encrypted"]


def without_key(*_: object) -> str:
    raise SessionExtError("the client has no key")


def test_keys_that_did_not_arrive_defer_the_notice(op: Simulation, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op.signer, "sign_logout_token", without_key)
    [notice] = op.add(1, "encrypted")
    op.step()
    keys.arrive()

    op.step()

    deferred = op.store.notice(notice.id)
    assert deferred is not None
    assert (deferred.problem, deferred.attempts, deferred.due_at > op.clock.now) == ("no_key", 1, True)


def test_notices_that_wait_for_keys_are_due_at_once_for_others_when_the_worker_stops(op: Simulation) -> None:
    [notice] = op.add(1, "encrypted")
    op.step()

    op.worker.give_back()
    op.worker.record()

    given_back = op.store.notice(notice.id)
    assert given_back is not None
    assert given_back.due_at == op.clock.now


def test_a_user_who_waits_learns_that_such_a_notice_was_given_back(op: Simulation) -> None:
    [notice] = op.add(1, "encrypted")
    statuses: list[tuple[str, NotifyStatus]] = []
    op.worker.offer(notice, {}, lambda *status: statuses.append(status))

    op.worker.give_back()

    assert statuses == [(notice.id, NotifyStatus.PENDING)]


def test_many_notices_that_wait_for_one_clients_keys_are_left_in_the_store(op: Simulation) -> None:
    op.add(300, "encrypted")
    op.add(50, "plain", prefix="later", ended_at=op.clock.now)

    op.run(15)

    assert sent(op) == ["plain"] * 50


# -- with sockets ------------------------------------------------------------------------------------------------------------


class Encrypting:
    """Signs tokens that are the client's name, and encrypts them with the keys that are known."""

    def __init__(self, keys: ClientKeys) -> None:
        self._keys = keys

    def sign_logout_token(self, claims: Mapping[str, Any], client: Mapping[str, Any]) -> str:
        token = f"token-for-{claims['aud']}"
        return encrypt_for(client, self._keys.known, token, "id_token") if "jwks_uri" in client else token


class OnLoopback:
    """A registry in which `silent-N` has a key server that never answers, and every other client is at `uri`."""

    def __init__(self, silent: list[SilentServer], uri: str) -> None:
        self._silent = silent
        self._uri = uri

    def get(self, client_id: str) -> dict[str, Any]:
        client = {"client_id": client_id, "backchannel_logout_uri": self._uri}
        if client_id.startswith("silent"):
            client |= {"jwks_uri": self._silent[int(client_id.partition("-")[2])].uri("/jwks"), **ENCRYPTED}
        return client


@pytest.fixture
def delivery() -> Iterator[tuple[Delivery, MemoryStore]]:
    """A delivery for thirty RPs whose keys are silent, and for others that answer."""
    with ExitStack() as stack:
        silent = [stack.enter_context(SilentServer()) for _ in range(30)]
        uri = stack.enter_context(serving(b""))
        guard = AddressGuard([ip_network("127.0.0.0/8")])
        outbound = Outbound(guard)
        keys = ClientKeys(GuardedFetch(outbound, guard), system_clock)
        store = MemoryStore()
        settings = DeliverySettings(allow_networks=(ip_network("127.0.0.0/8"),), poll_interval_s=0.05)
        parts = DeliveryParts(
            store,
            OnLoopback(silent, uri),
            Encrypting(keys),
            settings,
            "https://op.example.org",
            system_clock,
            NO_HOOKS,
            outbound,
            keys,
        )
        delivery = Delivery(parts)
        delivery.start()
        yield delivery, store
        delivery.stop(0)
        outbound.stop()


def recorded(store: MemoryStore, client_ids: list[str], due_in_s: int = 0) -> list[LogoutNotice]:
    now = system_clock()
    notices = [example_notice(f"n-{name}", client_id=name, ended_at=now, due_at=now + due_in_s) for name in client_ids]
    session = example_op_session("s")
    store.commit([PutOpSession(session), EndOpSession(session, notices)])
    return notices


def test_silent_key_servers_do_not_prolong_a_logout(delivery: tuple[Delivery, MemoryStore]) -> None:
    running, store = delivery
    notices = recorded(store, [*[f"silent-{number}" for number in range(30)], "well"], due_in_s=30)

    began = time.monotonic()
    statuses = running.notify(notices, 1.0)
    took_s = time.monotonic() - began

    assert took_s < 4
    delivered = [notice.client_id for notice in notices if statuses[notice.id] is NotifyStatus.DELIVERED]
    assert delivered == ["well"]


def test_silent_key_servers_do_not_delay_notices_to_other_rps(delivery: tuple[Delivery, MemoryStore]) -> None:
    _, store = delivery
    began = time.monotonic()
    recorded(store, [*[f"silent-{number}" for number in range(30)], *[f"well-{number}" for number in range(10)]])

    for _ in range(400):
        if not [notice for notice in store.notices(100) if notice.client_id.startswith("well")]:
            break
        threading.Event().wait(0.01)

    assert time.monotonic() - began < 4
    assert len(store.notices(100)) == 30

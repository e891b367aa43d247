"""The memory engine keeps the contract."""

from __future__ import annotations

from oic_session_ext.model import EphemeralRecord
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import EndOpSession, PutEphemeral, PutOpSession, TouchOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.memory.tables import DueQueue, Journal
from oic_session_ext.testing.examples import NOW, example_op_session
from oic_session_ext.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    """The contract, proved of the memory engine."""

    def make_store(self) -> Store:
        """Return an empty store."""
        return MemoryStore()


def test_the_url_memory_opens_an_empty_store() -> None:
    store = open_store("memory:")

    assert isinstance(store, MemoryStore)
    assert store.client_ids() == []


def test_the_queue_does_not_grow_with_keys_that_are_gone() -> None:
    queue: DueQueue[str] = DueQueue()
    for i in range(1000):
        queue.set(Journal(), f"{i}", i)
        del queue.due[f"{i}"]
    queue.set(Journal(), "last", 5000)

    assert queue.first(10) == ["last"]
    assert len(queue) == 1


def test_a_key_that_falls_due_earlier_and_later_again_comes_once_and_in_its_place() -> None:
    queue: DueQueue[str] = DueQueue()
    for due_at in (10, 5, 20, 15):
        queue.set(Journal(), "moved", due_at)
    queue.set(Journal(), "other", 12)

    assert queue.first(10, 11) == []
    assert queue.first(10, 14) == ["other"]
    assert queue.first(10, 15) == ["other", "moved"]
    assert queue.first(10, 15) == ["other", "moved"]


def test_ended_op_sessions_leave_nothing_behind() -> None:
    store = MemoryStore()
    empty = {name: _size(value) for name, value in vars(store).items()}
    for i in range(200):
        session = example_op_session(f"{i}")
        store.commit([PutOpSession(session), TouchOpSession(session.id, NOW + 1, NOW + 200)])
        store.commit([EndOpSession(session), PutEphemeral(EphemeralRecord("ended", f"{i}", NOW + 1))])

    for _ in range(2):  # the first removes the records, the next what remembered when they expire
        store.sweep(NOW + 1, 1000)
    store.due_op_sessions(NOW, 1)

    assert {name: _size(value) for name, value in vars(store).items()} == empty


def _size(value: object) -> int:
    return len(value) if isinstance(value, dict | DueQueue) else 0

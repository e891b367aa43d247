"""What one request reads and writes reaches the store as few look-ups and one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from oic_session_ext.errors import Conflict
from oic_session_ext.model import Client, Consent, EphemeralRecord, Grant
from oic_session_ext.store.changes import (
    AddRpSession,
    Change,
    ClaimFact,
    DeleteClient,
    DeleteGrant,
    PutClient,
    PutConsent,
    PutEphemeral,
    PutGrant,
    PutOpSession,
    TakeEphemeral,
    UpdateClient,
    UpdateGrant,
)
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork
from oic_session_ext.testing.examples import NOW, example_grant, example_op_session, example_rp_session


class RecordingStore(MemoryStore):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self.commits: list[list[Change]] = []

    def grant(self, grant_id: str) -> Grant | None:
        self.reads[grant_id] += 1
        return super().grant(grant_id)

    def client(self, client_id: str) -> Client | None:
        self.reads[client_id] += 1
        return super().client(client_id)

    def commit(self, changes: Sequence[Change]) -> None:
        self.commits.append(list(changes))
        super().commit(changes)


@pytest.fixture
def store() -> RecordingStore:
    store = RecordingStore()
    MemoryStore.commit(store, [PutGrant(example_grant(version=3)), PutClient(Client("rp-a", {"client_name": "A"}))])
    return store


@pytest.fixture
def uow(store: RecordingStore) -> UnitOfWork:
    return UnitOfWork(store, NOW)


def test_a_grant_is_read_once_however_often_it_is_asked_for(uow: UnitOfWork, store: RecordingStore) -> None:
    grants = [uow.grant("grant-one") for _ in range(10)]

    assert grants == [example_grant(version=3)] * 10
    assert store.reads["grant-one"] == 1


def test_a_grant_that_is_not_there_is_asked_for_once(uow: UnitOfWork, store: RecordingStore) -> None:
    assert [uow.grant("unknown") for _ in range(3)] == [None] * 3
    assert store.reads["unknown"] == 1


def test_a_client_is_read_once(uow: UnitOfWork, store: RecordingStore) -> None:
    assert [uow.client("rp-a") for _ in range(3)] == [Client("rp-a", {"client_name": "A"})] * 3
    assert [uow.client("unknown") for _ in range(3)] == [None] * 3
    assert store.reads == {"rp-a": 1, "unknown": 1}


def test_a_new_client_that_is_written_twice_is_put_once_in_its_last_state(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.put_client(Client("new", {"client_name": "1"}))
    uow.put_client(Client("new", {"client_name": "2"}))

    assert uow.client("new") == Client("new", {"client_name": "2"})
    uow.commit()
    assert store.commits == [[PutClient(Client("new", {"client_name": "2"}))]]


def test_a_client_that_is_there_is_updated(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.put_client(Client("rp-a", {"client_name": "B"}))
    uow.commit()

    assert store.commits == [[UpdateClient(Client("rp-a", {"client_name": "B"}))]]


def test_a_client_is_forgotten_once(uow: UnitOfWork, store: RecordingStore) -> None:
    for _ in range(2):
        uow.delete_client("rp-a")

    assert uow.client("rp-a") is None
    uow.commit()
    assert store.commits == [[DeleteClient("rp-a")]]


def test_a_new_client_that_is_forgotten_again_costs_nothing(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.put_client(Client("new", {}))
    uow.delete_client("new")
    uow.commit()

    assert store.commits == []


def test_reading_alone_commits_nothing(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.grant("grant-one")

    uow.commit()

    assert store.commits == []


def test_a_new_grant_is_put_without_being_looked_up(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.put_grant(example_grant("new"))
    uow.commit()

    assert store.commits == [[PutGrant(example_grant("new"))]]
    assert not store.reads


def test_a_new_grant_that_is_written_many_times_is_put_once_in_its_last_state(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.put_grant(example_grant("new"))
    for i in range(10):
        uow.update_grant_data("grant-new", {"step": i})
    uow.put_grant(replace(_seen(uow, "grant-new"), sid="sid"))

    uow.commit()

    assert store.commits == [[PutGrant(example_grant("new", data={"step": 9}, sid="sid"))]]


def test_a_stored_grant_that_is_written_many_times_is_updated_once(uow: UnitOfWork, store: RecordingStore) -> None:
    for i in range(10):
        uow.update_grant_data("grant-one", {"step": i})

    uow.commit()

    assert store.commits == [[UpdateGrant(example_grant(data={"step": 9}, version=3))]]
    assert store.reads["grant-one"] == 1
    assert store.grant("grant-one") == example_grant(data={"step": 9}, version=4)


def test_the_unit_sees_its_own_changes_before_they_are_committed(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.update_grant_data("grant-one", {"step": 1})
    uow.put_grant(example_grant("new"))

    assert _seen(uow, "grant-one").data == {"step": 1}
    assert _seen(uow, "grant-new") == example_grant("new")
    assert store.grant("grant-new") is None


def test_a_row_that_is_changed_in_place_and_written_back_is_updated(uow: UnitOfWork, store: RecordingStore) -> None:
    row = dict(_seen(uow, "grant-one").data)
    row["revoked"] = True
    uow.update_grant_data("grant-one", row)

    uow.commit()

    found = store.grant("grant-one")
    assert found is not None
    assert found.data["revoked"] is True


def test_a_row_that_is_changed_in_place_but_not_written_back_is_not_kept(uow: UnitOfWork, store: RecordingStore) -> None:
    _seen(uow, "grant-one").data["revoked"] = True  # type: ignore[index]

    uow.commit()

    assert store.grant("grant-one") == example_grant(version=3)


def test_a_row_lies_in_the_store_without_what_must_not_lie_there(store: RecordingStore) -> None:
    uow = UnitOfWork(store, NOW, stored_row=lambda row: {name: value for name, value in row.items() if name != "code"})
    uow.put_grant(example_grant("new", data={"code": "secret", "scope": "openid"}))
    uow.update_grant_data("grant-one", {"code": "secret", "step": 1})
    assert _seen(uow, "grant-new").data["code"] == "secret"

    uow.commit()

    assert store.commits == [
        [
            PutGrant(example_grant("new", data={"scope": "openid"})),
            UpdateGrant(example_grant(data={"step": 1}, version=3)),
        ]
    ]


def test_writing_a_grant_that_is_not_there_is_an_error(uow: UnitOfWork) -> None:
    with pytest.raises(KeyError):
        uow.update_grant_data("unknown", {})


def test_a_deleted_grant_is_not_seen_and_is_deleted_once(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.update_grant_data("grant-one", {"step": 1})
    uow.delete_grant("grant-one")
    uow.delete_grant("grant-one")
    assert uow.grant("grant-one") is None
    with pytest.raises(KeyError):
        uow.update_grant_data("grant-one", {})

    uow.commit()

    assert store.commits == [[DeleteGrant("grant-one")]]
    assert store.grant("grant-one") is None


def test_a_new_grant_that_is_deleted_again_costs_nothing(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.put_grant(example_grant("new"))
    uow.delete_grant("grant-new")

    uow.commit()

    assert store.commits == []


def test_deleting_a_grant_that_is_not_there_costs_nothing(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.delete_grant("unknown")

    uow.commit()

    assert store.commits == []


def test_a_grant_that_is_deleted_and_put_anew_is_one_update_of_what_was_read(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.delete_grant("grant-one")
    uow.put_grant(example_grant(uid="bob"))

    uow.commit()

    assert store.commits == [[UpdateGrant(example_grant(uid="bob", version=3))]]


def test_added_changes_come_first_in_their_order_then_grants_all_in_one_commit(uow: UnitOfWork, store: RecordingStore) -> None:
    session = PutOpSession(example_op_session())
    fact = ClaimFact("name", "value")
    uow.put_grant(example_grant("new", op_session_id="id-one"))
    uow.add(session)
    uow.add(fact)

    uow.commit()

    assert store.commits == [[session, fact, PutGrant(example_grant("new", op_session_id="id-one"))]]


def test_after_a_commit_the_unit_is_empty_and_sees_the_store_afresh(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.client("rp-a")
    uow.update_grant_data("grant-one", {"step": 1})
    uow.commit()
    MemoryStore.commit(store, [UpdateClient(Client("rp-a", {"client_name": "B"}))])

    uow.commit()

    assert len(store.commits) == 1
    assert uow.grant("grant-one") == example_grant(data={"step": 1}, version=4)
    assert uow.client("rp-a") == Client("rp-a", {"client_name": "B"})


def test_what_is_discarded_is_never_committed(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.add(ClaimFact("name", "value"))
    uow.put_grant(example_grant("new"))
    uow.update_grant_data("grant-one", {"step": 1})
    uow.discard()

    uow.commit()

    assert store.commits == []
    assert uow.grant("grant-one") == example_grant(version=3)
    assert uow.grant("grant-new") is None


def test_a_share_in_a_session_that_begins_here_is_kept_with_it(uow: UnitOfWork) -> None:
    session, share, other = example_op_session("new"), example_rp_session("new", "rp-a"), example_rp_session("new", "rp-b")

    uow.add(PutOpSession(session), AddRpSession(session.id, share), AddRpSession("id-other", share))
    uow.add(AddRpSession(session.id, other), AddRpSession(session.id, share))

    assert uow.pending() == [PutOpSession(replace(session, rp_sessions=(share, other))), AddRpSession("id-other", share)]


def test_a_conflict_keeps_nothing_and_leaves_the_unit_empty(uow: UnitOfWork, store: RecordingStore) -> None:
    uow.add(ClaimFact("name", "value"), TakeEphemeral("kind", "never there", NOW))
    uow.put_grant(example_grant("new"))

    with pytest.raises(Conflict):
        uow.commit()

    assert uow.pending() == []
    assert store.fact("name") is None
    assert uow.grant("grant-new") is None


def test_of_two_units_that_read_the_same_grant_one_writes_it(store: RecordingStore) -> None:
    first, second = UnitOfWork(store, NOW), UnitOfWork(store, NOW)
    for name, uow in (("first", first), ("second", second)):
        uow.update_grant_data("grant-one", {"by": name})

    first.commit()
    with pytest.raises(Conflict):
        second.commit()

    assert store.grant("grant-one") == example_grant(data={"by": "first"}, version=4)


def test_sessions_consents_and_records_are_read_through(uow: UnitOfWork, store: RecordingStore) -> None:
    consent = Consent("alice", "rp-a", frozenset({"openid"}), NOW)
    records = [EphemeralRecord("kind", "live", NOW + 1), EphemeralRecord("kind", "over", NOW)]
    session = example_op_session()
    MemoryStore.commit(store, [PutOpSession(session), PutConsent(consent), *map(PutEphemeral, records)])

    assert uow.op_session_by_cookie("cookie-one") == session
    assert uow.consent("alice", "rp-a") == consent
    assert uow.ephemeral("kind", "live") == records[0]
    assert uow.ephemeral("kind", "over") is None


def _seen(uow: UnitOfWork, grant_id: str) -> Grant:
    grant = uow.grant(grant_id)
    assert grant is not None
    return grant

"""Is the session still there? By `session_state` for a blind iframe, by `sid` for a client's server."""

from __future__ import annotations

import secrets

import pytest

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.model import OpSession, Reason
from oic_session_ext.session_management.sealed_salt import SealedSalts
from oic_session_ext.session_management.session_state import compute_session_state, issue_session_state
from oic_session_ext.session_management.session_status import SessionStatus, SidStatus, status_of_sid
from oic_session_ext.sessions.op_session import end_op_session
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.changes import PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork
from oic_session_ext.testing.examples import example_op_session, example_rp_session
from oic_session_ext.testing.fake_clock import FakeClock

ORIGIN = "https://rp.example.org"
HANDLES = SealedSalts(SecretRing([b"1" * 32]))
SETTINGS = SessionManagementSettings()


class CountingStore(MemoryStore):
    """Counts the look-ups of OP sessions, and can be down."""

    lookups = 0
    is_down = False

    def op_session(self, op_session_id: str) -> OpSession | None:
        self.lookups += 1
        if self.is_down:
            raise StoreUnavailable("down")
        return super().op_session(op_session_id)


class Registry:
    """No client is known."""

    def get(self, _: str, /) -> None:
        return None


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def status(store: CountingStore, clock: FakeClock) -> SessionStatus:
    return SessionStatus(store, HANDLES, clock)


def begun(store: MemoryStore, *clients: str) -> OpSession:
    name = secrets.token_hex(4)
    session = example_op_session(name, id=secrets.token_hex(16), rp_sessions=tuple(example_rp_session(name, one) for one in clients))
    store.commit([PutOpSession(session)])
    return session


def issued(session: OpSession, client_id: str = "rp", origin: str = ORIGIN) -> str:
    return issue_session_state(client_id, origin, session.op_browser_state, HANDLES.seal(session.id, client_id, origin))


def end(store: MemoryStore, session: OpSession, clock: FakeClock, reason: Reason = Reason.USER) -> None:
    uow = UnitOfWork(store, clock())
    end_op_session(uow, store.op_session_by_cookie(session.cookie_digest) or session, reason, Registry(), SETTINGS)
    uow.commit()


# -- by session_state --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SM-21")
def test_a_session_is_unchanged_until_it_ends(store: CountingStore, status: SessionStatus, clock: FakeClock) -> None:
    session = begun(store)
    before = status.of("rp", ORIGIN, issued(session))

    end(store, session, clock)
    clock.advance(5)

    assert (before, status.of("rp", ORIGIN, issued(session))) == ("unchanged", "changed")


@pytest.mark.spec("SM-21")
def test_a_session_whose_time_is_over_is_changed_before_it_is_swept(store: CountingStore, status: SessionStatus, clock: FakeClock) -> None:
    session = begun(store)

    clock.now = session.idle_expires_at

    assert status.of("rp", ORIGIN, issued(session)) == "changed"


def test_to_ask_keeps_no_session_alive(store: CountingStore, status: SessionStatus, clock: FakeClock) -> None:
    session = begun(store)

    for _ in range(10):
        clock.advance(9)
        assert status.of("rp", ORIGIN, issued(session)) == "unchanged"

    assert store.op_session(session.id) == session


def test_the_end_of_one_session_is_no_change_of_another(store: CountingStore, status: SessionStatus, clock: FakeClock) -> None:
    one, other = begun(store), begun(store)

    end(store, one, clock)

    assert status.of("rp", ORIGIN, issued(other)) == "unchanged"


@pytest.mark.parametrize(
    ("client_id", "origin"),
    [("other", ORIGIN), ("rp", "https://other.example.org"), ("rp", "null"), ("rp", ORIGIN + "/"), ("\ud800", ORIGIN)],
)
def test_a_value_of_another_client_or_page_is_an_error_and_costs_no_look_up(
    store: CountingStore, status: SessionStatus, client_id: str, origin: str
) -> None:
    assert status.of(client_id, origin, issued(begun(store))) == "error"
    assert store.lookups == 0


@pytest.mark.parametrize(
    "session_state",
    [
        "",
        "x",
        "0" * 64,
        "0" * 64 + ".",
        "0" * 64 + "." + "A" * 62,
        compute_session_state("rp", ORIGIN, "state", "salt"),
        compute_session_state("rp", ORIGIN, "of nobody", HANDLES.of_nobody()),
    ],
    ids=["empty", "malformed", "no salt", "empty salt", "made up", "random salt", "of nobody"],
)
def test_a_value_that_was_not_issued_for_a_session_is_an_error_and_costs_no_look_up(
    store: CountingStore, status: SessionStatus, session_state: str
) -> None:
    begun(store)

    assert status.of("rp", ORIGIN, session_state) == "error"
    assert store.lookups == 0


def test_a_true_salt_under_a_made_up_hash_is_never_unchanged(store: CountingStore, status: SessionStatus) -> None:
    salt = issued(begun(store)).partition(".")[2]

    assert status.of("rp", ORIGIN, "0" * 64 + "." + salt) == "changed"


def test_all_values_of_a_session_cost_one_look_up_in_five_seconds(store: CountingStore, status: SessionStatus, clock: FakeClock) -> None:
    session = begun(store)

    for client_id in ("rp", "rp-b", "rp-c"):
        for _ in range(3):
            assert status.of(client_id, ORIGIN, issued(session, client_id)) == "unchanged"
    assert store.lookups == 1

    clock.advance(5)
    status.of("rp", ORIGIN, issued(session))
    assert store.lookups == 2


def test_what_is_kept_of_sessions_does_not_grow(store: CountingStore, status: SessionStatus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oic_session_ext.session_management.session_status._MOST_KEPT", 3)
    sessions = [begun(store) for _ in range(5)]

    for session in sessions:
        status.of("rp", ORIGIN, issued(session))
    for session in reversed(sessions):
        status.of("rp", ORIGIN, issued(session))

    assert store.lookups == 5 + 2
    assert len(status._known) == 3


def test_a_store_that_is_down_is_no_change(store: CountingStore, status: SessionStatus) -> None:
    session = begun(store)
    store.is_down = True

    with pytest.raises(StoreUnavailable):
        status.of("rp", ORIGIN, issued(session))

    store.is_down = False
    assert status.of("rp", ORIGIN, issued(session)) == "unchanged"


# -- by sid ------------------------------------------------------------------------------------------------------------------


def test_a_client_hears_of_its_own_session_that_it_is_live(store: CountingStore, clock: FakeClock) -> None:
    session = begun(store, "rp", "rp-b")

    assert status_of_sid(store, session.rp_sessions[0].sid, "rp", clock()) == SidStatus("live")


@pytest.mark.parametrize("reason", list(Reason))
def test_a_client_hears_why_its_session_has_ended(store: CountingStore, clock: FakeClock, reason: Reason) -> None:
    session = begun(store, "rp")

    end(store, session, clock, reason)

    assert status_of_sid(store, session.rp_sessions[0].sid, "rp", clock()) == SidStatus("ended", reason)


@pytest.mark.parametrize(("seconds", "reason"), [(100, Reason.IDLE), (1000, Reason.EXPIRED)])
def test_a_session_whose_time_is_over_has_ended_before_it_is_swept(
    store: CountingStore, clock: FakeClock, seconds: int, reason: Reason
) -> None:
    session = begun(store, "rp")

    clock.advance(seconds)

    assert status_of_sid(store, session.rp_sessions[0].sid, "rp", clock()) == SidStatus("ended", reason)


@pytest.mark.parametrize("ended", [False, True])
def test_of_another_clients_session_nothing_is_told(store: CountingStore, clock: FakeClock, ended: bool) -> None:
    session = begun(store, "rp", "rp-b")
    if ended:
        end(store, session, clock)

    assert status_of_sid(store, session.rp_sessions[0].sid, "rp-b", clock()) == SidStatus("unknown")


def test_what_never_was_and_what_ended_long_ago_are_unknown(store: CountingStore, clock: FakeClock) -> None:
    session = begun(store, "rp")
    end(store, session, clock)

    clock.advance(SETTINGS.recent_s)

    assert status_of_sid(store, session.rp_sessions[0].sid, "rp", clock()) == SidStatus("unknown")
    assert status_of_sid(store, "never was", "rp", clock()) == SidStatus("unknown")

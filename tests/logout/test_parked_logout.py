"""A logout whose page asks again until its RPs are notified."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oic_session_ext.crypto.opaque_secret import digest_of
from oic_session_ext.logout.end_session import EndSessionParts
from oic_session_ext.logout.parked_logout import PARKED_LOGOUT, ParkedLogout, park_logout, parked_logout
from oic_session_ext.logout.recent_logout import RecentLogout
from oic_session_ext.logout.report import EndedRp, RpStatus
from oic_session_ext.model import LogoutNotice, NoticeState
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.changes import DeleteNotice, EndOpSession, PutNotice, PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork
from oic_session_ext.testing.examples import example_notice, example_op_session

NOW = 1_800_000_000
OUT = "https://shop.example.com/out"


class Clients(dict[str, Any]):
    """A registry of one client, with one registered URI."""


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def parts() -> EndSessionParts:
    clients = Clients(shop={"client_name": "Shop", "post_logout_redirect_uris": [OUT]})
    keys: Any = None  # no hint is verified
    return EndSessionParts("https://op.example.com", keys, clients, SessionManagementSettings())


@pytest.fixture
def notices(store: MemoryStore) -> list[LogoutNotice]:
    notices = [example_notice(name, client_id=name, ended_at=NOW, due_at=NOW + 30) for name in ("shop", "mail")]
    session = example_op_session("s")
    store.commit([PutOpSession(session), EndOpSession(session, notices)])
    return notices


@pytest.fixture
def handle(store: MemoryStore, notices: list[LogoutNotice]) -> str:
    rps = tuple(EndedRp(notice.client_id, notice.client_id, notice.id, None, True) for notice in notices)
    return park_logout(store, RecentLogout(rps, "shop", OUT, "x y", ()), NOW, 2.0)


def look(store: MemoryStore, parts: EndSessionParts, handle: str, at: int = NOW) -> ParkedLogout | None:
    return parked_logout(handle, UnitOfWork(store, at), parts)


def statuses(parked: ParkedLogout) -> list[RpStatus]:
    return [rp.status(parked.outcome.told) for rp in parked.outcome.rps]


def test_the_page_asks_again_while_rps_are_notified(store: MemoryStore, parts: EndSessionParts, handle: str) -> None:
    parked = look(store, parts, handle)

    assert parked is not None
    assert parked.asks_again
    assert statuses(parked) == [RpStatus.PENDING, RpStatus.PENDING]


def test_it_tells_which_rps_are_notified_by_now(
    store: MemoryStore, parts: EndSessionParts, handle: str, notices: list[LogoutNotice]
) -> None:
    store.commit([DeleteNotice(notices[0].id)])

    parked = look(store, parts, handle)

    assert parked is not None
    assert parked.asks_again
    assert statuses(parked) == [RpStatus.SIGNED_OUT, RpStatus.PENDING]


def test_the_browser_goes_on_when_all_rps_are_notified(
    store: MemoryStore, parts: EndSessionParts, handle: str, notices: list[LogoutNotice]
) -> None:
    store.commit([DeleteNotice(notice.id) for notice in notices])

    parked = look(store, parts, handle)

    assert parked is not None
    assert not parked.asks_again
    assert parked.outcome.redirect_to == f"{OUT}?state=x%20y"


def test_an_rp_that_was_given_up_on_is_not_waited_for(
    store: MemoryStore, parts: EndSessionParts, handle: str, notices: list[LogoutNotice]
) -> None:
    store.commit([DeleteNotice(notices[0].id), PutNotice(replace(notices[1], state=NoticeState.UNDELIVERABLE, problem="http_400"))])

    parked = look(store, parts, handle)

    assert parked is not None
    assert not parked.asks_again
    assert statuses(parked) == [RpStatus.SIGNED_OUT, RpStatus.UNREACHABLE]


def test_the_page_stops_asking_at_the_deadline_and_names_the_others(store: MemoryStore, parts: EndSessionParts, handle: str) -> None:
    parked = look(store, parts, handle, NOW + 2)

    assert parked is not None
    assert not parked.asks_again
    assert statuses(parked) == [RpStatus.PENDING, RpStatus.PENDING]


def test_it_may_be_asked_any_number_of_times(store: MemoryStore, parts: EndSessionParts, handle: str) -> None:
    assert all(look(store, parts, handle, NOW + later) is not None for later in (0, 1, 1, 60, 599))


def test_after_ten_minutes_it_is_gone(store: MemoryStore, parts: EndSessionParts, handle: str) -> None:
    assert look(store, parts, handle, NOW + 600) is None


@pytest.mark.parametrize(
    "guess", ["", "x", "A" * 43, "\u00e4" * 43, "A" * 5000], ids=["empty", "short", "of the shape", "not ASCII", "long"]
)
def test_an_unknown_handle_finds_nothing(store: MemoryStore, parts: EndSessionParts, handle: str, guess: str) -> None:
    assert guess != handle
    assert look(store, parts, guess) is None


def test_a_redirect_uri_that_the_client_took_back_meanwhile_is_not_followed(
    store: MemoryStore, parts: EndSessionParts, handle: str, notices: list[LogoutNotice]
) -> None:
    store.commit([DeleteNotice(notice.id) for notice in notices])
    clients: Any = parts.clients
    clients["shop"] = {"post_logout_redirect_uris": []}

    parked = look(store, parts, handle)

    assert parked is not None
    assert parked.outcome.redirect_to is None


def test_the_store_holds_the_digest_of_the_handle_alone(store: MemoryStore, handle: str) -> None:
    assert store.ephemeral(PARKED_LOGOUT, handle, NOW) is None
    assert store.ephemeral(PARKED_LOGOUT, str(digest_of(handle)), NOW) is not None

"""The contract of every store engine, as a class of pytest tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ..errors import Conflict, StoreError
from ..model import Channel, Client, Consent, EphemeralRecord, LogoutNotice, NoticeState, OpSession, Reason
from ..store.base import GrantAttribute, Store, Swept
from ..store.changes import (
    AddRpSession,
    Change,
    ClaimEphemeral,
    ClaimFact,
    DeferNotices,
    DeleteClient,
    DeleteConsent,
    DeleteEphemeral,
    DeleteGrant,
    DeleteNotice,
    EndOpSession,
    PutClient,
    PutConsent,
    PutEphemeral,
    PutGrant,
    PutNotice,
    PutOpSession,
    TakeEphemeral,
    TouchOpSession,
    UpdateClient,
    UpdateGrant,
    UpdateOpSession,
)
from .examples import NOW, example_grant, example_notice, example_op_session, example_rp_session


def winners(attempt: Callable[[int], object], number: int) -> list[int]:
    """Call `attempt(i)` in `number` threads at the same time; return each `i` whose call raised no `Conflict`."""
    start = threading.Barrier(number)
    won: list[int] = []
    failed: list[BaseException] = []

    def run(i: int) -> None:
        start.wait()
        try:
            attempt(i)
        except Conflict:
            return
        except StoreError as err:
            failed.append(err)
            return
        won.append(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    return won


class StoreContract:
    """Tests of the contract in `store/base.py`.

    Subclass it as `Test...` and return an empty store from `make_store`, or override the fixture `store`. The tests
    have the mark `spec` with the requirements that they verify; register the mark if your marks are strict.
    """

    def make_store(self) -> Store:
        """Return a new, empty store of the engine under test."""
        raise NotImplementedError

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """Yield an empty store for each test and close it afterwards."""
        store = self.make_store()
        yield store
        store.close()

    # --- OP sessions

    def test_an_op_session_is_found_by_its_cookie_and_by_its_id(self, store: Store) -> None:
        session = example_op_session(rp_sessions=(example_rp_session(),))

        store.commit([PutOpSession(session), PutOpSession(example_op_session("two"))])

        assert store.op_session_by_cookie("cookie-one") == session
        assert store.op_session("id-one") == session

    def test_an_unknown_cookie_id_or_sid_finds_nothing(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session())])

        assert store.op_session_by_cookie("id-one") is None
        assert store.op_session("cookie-one") is None
        assert store.op_session_id_of_sid("sid-one") is None
        assert store.op_sessions_of_user("bob") == []

    def test_a_key_that_is_no_valid_text_finds_nothing(self, store: Store) -> None:
        assert store.op_session_by_cookie("\ud800") is None
        assert store.grant("\ud800") is None
        assert store.client("\ud800\x00") is None
        assert not store.is_client_origin("\ud800")

    def test_an_expired_op_session_is_returned_as_it_is(self, store: Store) -> None:
        session = example_op_session(expires_at=NOW - 1, idle_expires_at=NOW - 2)

        store.commit([PutOpSession(session)])

        assert store.op_session_by_cookie("cookie-one") == session

    @pytest.mark.parametrize("taken", ["id", "cookie_digest"])
    def test_a_new_op_session_cannot_take_the_id_or_cookie_of_another(self, store: Store, taken: str) -> None:
        first = example_op_session()
        store.commit([PutOpSession(first)])
        second = replace(example_op_session("two"), **{taken: getattr(first, taken)})

        _refused(store, PutOpSession(second))

        assert store.op_session("id-one") == first
        assert store.op_session("id-two") is None
        assert store.op_session_by_cookie("cookie-two") is None

    def test_rp_sessions_come_oldest_first(self, store: Store) -> None:
        shares = [example_rp_session(client_id=client, created_at=NOW + at) for client, at in [("b", 2), ("c", 1), ("a", 3)]]

        store.commit([PutOpSession(example_op_session(rp_sessions=tuple(shares[:2]))), AddRpSession("id-one", shares[2])])

        found = store.op_session_by_cookie("cookie-one")
        assert found is not None
        assert [share.client_id for share in found.rp_sessions] == ["c", "b", "a"]

    def test_an_update_replaces_the_fields_but_not_the_rp_sessions_and_counts_the_version(self, store: Store) -> None:
        session = example_op_session(rp_sessions=(example_rp_session(),))
        store.commit([PutOpSession(session)])
        changed = replace(session, cookie_digest="cookie-new", uid="bob", acr="otp", op_browser_state="new", auth_time=NOW + 5)

        store.commit([UpdateOpSession(replace(changed, rp_sessions=()))])

        assert store.op_session("id-one") == replace(changed, version=2)
        assert store.op_session_by_cookie("cookie-new") == replace(changed, version=2)
        assert store.op_session_by_cookie("cookie-one") is None
        assert store.op_sessions_of_user("alice") == []
        assert store.op_sessions_of_user("bob") == [replace(changed, version=2)]
        assert store.op_session_id_of_sid("sid-one-rp-a") == "id-one"

    def test_an_update_leaves_when_an_op_session_was_created(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session())])

        store.commit([UpdateOpSession(example_op_session(created_at=NOW + 5, acr="otp"))])

        assert store.op_session("id-one") == example_op_session(acr="otp", version=2)

    def test_an_update_needs_the_version_that_was_read(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session)])
        store.commit([UpdateOpSession(replace(session, acr="first"))])

        _refused(store, UpdateOpSession(replace(session, acr="second")))

        assert store.op_session("id-one") == replace(session, acr="first", version=2)

    def test_an_update_of_an_op_session_that_is_not_there_is_refused(self, store: Store) -> None:
        _refused(store, UpdateOpSession(example_op_session()))

        assert store.op_session("id-one") is None

    def test_an_update_cannot_take_the_cookie_of_another_op_session(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session()), PutOpSession(example_op_session("two"))])

        _refused(store, UpdateOpSession(example_op_session(cookie_digest="cookie-two")))

        assert store.op_session_by_cookie("cookie-one") == example_op_session()
        assert store.op_session_by_cookie("cookie-two") == example_op_session("two")

    def test_a_touch_moves_activity_forward_and_leaves_the_version(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session(rp_sessions=(example_rp_session(),)))])

        store.commit([TouchOpSession("id-one", NOW + 10, NOW + 110)])

        touched = example_op_session(rp_sessions=(example_rp_session(),), last_active_at=NOW + 10, idle_expires_at=NOW + 110)
        assert store.op_session("id-one") == touched

    @pytest.mark.parametrize(
        ("last_active_at", "idle_expires_at"),
        [(NOW - 10, NOW + 90), (NOW - 10, NOW + 200), (NOW + 20, NOW + 90)],
        ids=["both earlier", "activity earlier", "idle end earlier"],
    )
    def test_a_touch_never_goes_back(self, store: Store, last_active_at: int, idle_expires_at: int) -> None:
        store.commit([PutOpSession(example_op_session())])

        store.commit([TouchOpSession("id-one", last_active_at, idle_expires_at)])

        touched = example_op_session(last_active_at=max(NOW, last_active_at), idle_expires_at=max(NOW + 100, idle_expires_at))
        assert store.op_session("id-one") == touched

    def test_a_touch_of_an_op_session_that_is_not_there_is_refused(self, store: Store) -> None:
        _refused(store, TouchOpSession("id-one", NOW, NOW))

    @pytest.mark.spec("SID-01", "SID-07")
    def test_a_share_is_added_and_counts_the_version(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session())])

        store.commit([AddRpSession("id-one", example_rp_session())])

        assert store.op_session("id-one") == example_op_session(rp_sessions=(example_rp_session(),), version=2)
        assert store.op_session_id_of_sid("sid-one-rp-a") == "id-one"

    @pytest.mark.spec("SID-09")
    def test_a_second_share_of_the_same_client_changes_nothing(self, store: Store) -> None:
        session = example_op_session(rp_sessions=(example_rp_session(),))
        store.commit([PutOpSession(session)])

        store.commit([AddRpSession("id-one", example_rp_session(sid="sid-other", created_at=NOW + 9))])

        assert store.op_session("id-one") == session
        assert store.op_session_id_of_sid("sid-other") is None

    def test_a_share_in_an_op_session_that_is_not_there_is_refused(self, store: Store) -> None:
        _refused(store, AddRpSession("id-one", example_rp_session()))

        assert store.op_session_id_of_sid("sid-one-rp-a") is None

    @pytest.mark.spec("SID-03")
    def test_a_sid_that_names_another_rp_session_is_refused(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session(rp_sessions=(example_rp_session(),))), PutOpSession(example_op_session("two"))])

        _refused(store, AddRpSession("id-two", example_rp_session(client_id="rp-b", sid="sid-one-rp-a")))
        _refused(store, PutOpSession(example_op_session("three", rp_sessions=(example_rp_session(),))))

        assert store.op_session_id_of_sid("sid-one-rp-a") == "id-one"
        assert store.op_session("id-two") == example_op_session("two")
        assert store.op_session("id-three") is None

    def test_the_op_sessions_of_a_user_come_oldest_first(self, store: Store) -> None:
        sessions = [example_op_session(name, created_at=NOW + at) for name, at in [("late", 9), ("early", 1), ("middle", 5)]]
        store.commit([PutOpSession(session) for session in sessions])
        store.commit([PutOpSession(example_op_session("other", uid="bob")), AddRpSession("id-late", example_rp_session("late"))])

        found = store.op_sessions_of_user("alice")

        assert [session.id for session in found] == ["id-early", "id-middle", "id-late"]
        assert found[2].rp_sessions == (example_rp_session("late"),)

    def test_due_op_sessions_are_those_that_are_over_longest_over_first(self, store: Store) -> None:
        ends = {"idle": (NOW - 1, NOW + 50), "absolute": (NOW + 50, NOW - 2), "edge": (NOW, NOW + 50), "live": (NOW + 1, NOW + 50)}
        for name, (idle_expires_at, expires_at) in ends.items():
            session = example_op_session(name, idle_expires_at=idle_expires_at, expires_at=expires_at)
            store.commit([PutOpSession(session), AddRpSession(session.id, example_rp_session(name))])

        found = store.due_op_sessions(NOW, 10)

        assert [session.id for session in found] == ["id-absolute", "id-idle", "id-edge"]
        assert not any(session.is_live(NOW) for session in found)
        assert found[0].rp_sessions == (example_rp_session("absolute"),)

    def test_due_op_sessions_are_at_most_so_many_sessions(self, store: Store) -> None:
        for i in range(4):
            shares = tuple(example_rp_session(f"{i}", client_id=f"rp-{j}") for j in range(3))
            store.commit([PutOpSession(example_op_session(f"{i}", idle_expires_at=NOW - 9 + i, rp_sessions=shares))])

        found = store.due_op_sessions(NOW, 2)

        assert [(session.id, len(session.rp_sessions)) for session in found] == [("id-0", 3), ("id-1", 3)]
        assert store.due_op_sessions(NOW, 2) == found

    def test_a_touched_op_session_is_due_later_but_not_after_its_absolute_end(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session())])
        store.commit([TouchOpSession("id-one", NOW + 90, NOW + 5000)])

        assert store.due_op_sessions(NOW + 999, 10) == []
        assert [session.id for session in store.due_op_sessions(NOW + 1000, 10)] == ["id-one"]

    def test_an_updated_op_session_is_due_when_its_new_times_say(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session)])

        store.commit([UpdateOpSession(replace(session, idle_expires_at=NOW + 10))])
        earlier = store.due_op_sessions(NOW + 10, 10)
        store.commit([UpdateOpSession(replace(session, idle_expires_at=NOW + 20, version=2))])

        assert [found.id for found in earlier] == ["id-one"]
        assert store.due_op_sessions(NOW + 19, 10) == []
        assert [found.id for found in store.due_op_sessions(NOW + 20, 10)] == ["id-one"]

    # --- listing OP sessions

    def test_op_sessions_are_listed_oldest_first_each_with_its_rp_sessions(self, store: Store) -> None:
        sessions = {name: example_op_session(name, created_at=NOW + at) for name, at in [("late", 9), ("early", 1), ("middle", 5)]}
        shares = tuple(example_rp_session("early", client) for client in ("rp-a", "rp-b"))
        sessions["early"] = replace(sessions["early"], rp_sessions=shares)
        store.commit([PutOpSession(session) for session in sessions.values()])

        assert store.list_op_sessions(limit=10) == [sessions["early"], sessions["middle"], sessions["late"]]
        assert store.list_op_sessions(limit=2) == [sessions["early"], sessions["middle"]]

    def test_nothing_is_listed_of_an_empty_store(self, store: Store) -> None:
        assert store.list_op_sessions(limit=10) == []
        assert store.list_op_sessions(limit=10, client_id="rp-a", created_before=NOW, after=(NOW, "id-one")) == []

    @pytest.mark.parametrize("client_id", [None, "rp-b"])
    @pytest.mark.parametrize("page", [1, 2, 3, 7])
    def test_pages_hold_each_op_session_once_also_where_several_were_created_at_once(
        self, store: Store, page: int, client_id: str | None
    ) -> None:
        names = [f"{first}{second}" for first in "bca" for second in "21"]
        for i, name in enumerate(names):
            shares = tuple(example_rp_session(name, client, created_at=NOW - i) for client in ("rp-a", "rp-b", "rp-c"))
            store.commit([PutOpSession(example_op_session(name, created_at=NOW + i % 2, rp_sessions=shares))])
        store.commit([PutOpSession(example_op_session("other", created_at=NOW if client_id else NOW - 1))])

        found: list[OpSession] = []
        while pages := store.list_op_sessions(limit=page, client_id=client_id, after=_place(found[-1:])):
            assert len(pages) <= page
            found += pages

        expected = sorted((NOW + i % 2, f"id-{name}") for i, name in enumerate(names))
        others = [] if client_id else [(NOW - 1, "id-other")]
        assert [(session.created_at, session.id) for session in found] == others + expected
        assert {len(session.rp_sessions) for session in found[len(others) :]} == {3}

    def test_op_sessions_are_listed_of_one_client_as_soon_and_as_long_as_it_has_a_share(self, store: Store) -> None:
        store.commit([PutOpSession(example_op_session(name, created_at=NOW + at)) for name, at in [("b", 2), ("a", 1), ("c", 3)]])
        assert store.list_op_sessions(limit=10, client_id="rp-a") == []

        store.commit([AddRpSession(f"id-{name}", example_rp_session(name, created_at=NOW + 9)) for name in ("b", "a")])
        store.commit([AddRpSession("id-c", example_rp_session("c", "rp-b"))])
        assert [session.id for session in store.list_op_sessions(limit=10, client_id="rp-a")] == ["id-a", "id-b"]

        store.commit([EndOpSession(example_op_session("a", created_at=NOW + 1, version=2))])
        assert [session.id for session in store.list_op_sessions(limit=10, client_id="rp-a")] == ["id-b"]
        assert [session.id for session in store.list_op_sessions(limit=10)] == ["id-b", "id-c"]

    @pytest.mark.parametrize("client_id", [None, "rp-a"])
    def test_op_sessions_are_listed_that_were_created_before_an_instant(self, store: Store, client_id: str | None) -> None:
        for at in (1, 2, 3):
            shares = (example_rp_session(f"{at}"),)
            store.commit([PutOpSession(example_op_session(f"{at}", created_at=NOW + at, rp_sessions=shares))])

        def listed(created_before: int, **more: Any) -> list[str]:
            found = store.list_op_sessions(limit=10, client_id=client_id, created_before=created_before, **more)
            return [session.id for session in found]

        assert listed(NOW + 1) == []
        assert listed(NOW + 3) == ["id-1", "id-2"]
        assert listed(NOW + 4, after=(NOW + 1, "id-1")) == ["id-2", "id-3"]
        assert listed(NOW + 3, after=(NOW + 2, "id-2")) == []

    def test_an_op_session_that_was_updated_is_listed_once_and_as_it_is_now(self, store: Store) -> None:
        session = example_op_session(rp_sessions=(example_rp_session(),))
        store.commit([PutOpSession(session), UpdateOpSession(replace(session, cookie_digest="new", uid="bob"))])

        assert store.list_op_sessions(limit=10) == [replace(session, cookie_digest="new", uid="bob", version=2)]
        assert store.list_op_sessions(limit=10, client_id="rp-a") == store.list_op_sessions(limit=10)

    # --- ending an OP session

    @pytest.mark.spec("RI-50")
    def test_an_ended_op_session_is_found_in_no_way(self, store: Store) -> None:
        session = example_op_session(rp_sessions=(example_rp_session(),))
        store.commit([PutOpSession(session)])

        store.commit([EndOpSession(session)])

        assert store.op_session("id-one") is None
        assert store.op_session_by_cookie("cookie-one") is None
        assert store.op_session_id_of_sid("sid-one-rp-a") is None
        assert store.op_sessions_of_user("alice") == []
        assert store.due_op_sessions(NOW + 5000, 10) == []

    @pytest.mark.spec("SID-10")
    @pytest.mark.parametrize(
        "fields",
        [{}, {"refresh_digest": "digest"}, {"is_offline": True}],
        ids=["without a refresh token", "refresh token without offline_access", "offline_access without a refresh token"],
    )
    def test_a_grant_ends_with_its_op_session(self, store: Store, fields: dict[str, Any]) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session), PutGrant(example_grant(op_session_id="id-one", sid="sid", **fields))])

        store.commit([EndOpSession(session)])

        assert store.grant("grant-one") is None
        assert store.grant_ids("uid", "alice", 10) == []
        assert store.grant_ids("op_session_id", "id-one", 10) == []

    @pytest.mark.spec("SID-11")
    def test_an_offline_grant_outlives_its_op_session(self, store: Store) -> None:
        session = example_op_session()
        grant = example_grant(op_session_id="id-one", sid="sid", is_offline=True, refresh_digest="digest", version=3)
        store.commit([PutOpSession(session), PutGrant(grant)])

        store.commit([EndOpSession(session)])

        assert store.grant("grant-one") == replace(grant, op_session_id=None, version=4)
        assert store.grant_ids("op_session_id", "id-one", 10) == []
        assert store.grant_ids("sid", "sid", 10) == ["grant-one"]

    @pytest.mark.spec("SID-11")
    @pytest.mark.parametrize("stays", [True, False], ids=["has it by a later change", "has lost it by a later change"])
    def test_what_counts_at_the_end_of_an_op_session_is_the_refresh_token_that_a_grant_has_then(self, store: Store, stays: bool) -> None:
        session = example_op_session()
        grant = example_grant(op_session_id="id-one", is_offline=True, refresh_digest=None if stays else "digest")
        store.commit([PutOpSession(session), PutGrant(grant)])
        store.commit([UpdateGrant(replace(grant, refresh_digest="digest" if stays else None))])

        store.commit([EndOpSession(session)])

        left = store.grant("grant-one")
        assert (left is not None and left.op_session_id is None) if stays else left is None

    @pytest.mark.spec("SID-11")
    def test_an_offline_grant_ends_too_when_it_is_to(self, store: Store) -> None:
        session = example_op_session()
        offline = {"is_offline": True, "refresh_digest": "digest"}
        mine = example_grant("mine", op_session_id="id-one", sid="sid", **offline)
        others = [example_grant("other", op_session_id="id-two", **offline), example_grant("earlier", **offline)]
        store.commit([PutOpSession(session), PutOpSession(example_op_session("two")), *map(PutGrant, [mine, *others])])

        store.commit([EndOpSession(session, [example_notice()], keeps_offline=False)])

        assert store.grant("grant-mine") is None
        assert store.grant_ids("sid", "sid", 10) == []
        assert [store.grant(grant.id) for grant in others] == others
        assert store.notices(10) == [example_notice()]

    def test_grants_of_other_op_sessions_and_of_none_stay(self, store: Store) -> None:
        session = example_op_session()
        others = [example_grant("other", op_session_id="id-two"), example_grant("none")]
        store.commit([PutOpSession(session), PutOpSession(example_op_session("two")), *map(PutGrant, others)])

        store.commit([EndOpSession(session)])

        assert [store.grant(grant.id) for grant in others] == others

    def test_ending_records_the_notices(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session)])

        store.commit([EndOpSession(session, [example_notice("a"), example_notice("b", channel=Channel.FRONTCHANNEL, attempts=2)])])

        assert store.notices(10) == [example_notice("a"), example_notice("b", channel=Channel.FRONTCHANNEL, attempts=2)]

    def test_ending_needs_the_version_that_was_read(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session), PutGrant(example_grant(op_session_id="id-one"))])
        store.commit([AddRpSession("id-one", example_rp_session())])

        _refused(store, EndOpSession(session, [example_notice()]))

        assert store.op_session("id-one") == replace(session, rp_sessions=(example_rp_session(),), version=2)
        assert store.grant("grant-one") == example_grant(op_session_id="id-one")
        assert store.notices(10) == []

    def test_an_op_session_ends_once(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session), EndOpSession(session, [example_notice("first")])])

        _refused(store, EndOpSession(session, [example_notice("second")]))

        assert store.notices(10) == [example_notice("first")]

    def test_a_touch_does_not_hinder_an_end(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session), TouchOpSession("id-one", NOW + 10, NOW + 110)])

        store.commit([EndOpSession(session)])

        assert store.op_session("id-one") is None

    def test_notices_come_in_the_order_in_which_they_are_due_and_at_most_so_many(self, store: Store) -> None:
        session = example_op_session()
        notices = [example_notice(name, due_at=NOW + at) for name, at in [("late", 9), ("early", 1), ("middle", 5)]]

        store.commit([PutOpSession(session), EndOpSession(session, notices)])

        assert [notice.id for notice in store.notices(10)] == ["notice-early", "notice-middle", "notice-late"]
        assert [notice.id for notice in store.notices(2)] == ["notice-early", "notice-middle"]

    def test_a_notice_id_that_is_known_is_refused(self, store: Store) -> None:
        first, second = example_op_session(), example_op_session("two")
        store.commit([PutOpSession(first), PutOpSession(second), EndOpSession(first, [example_notice()])])

        _refused(store, EndOpSession(second, [example_notice(sub="other")]))

        assert store.notices(10) == [example_notice()]
        assert store.op_session("id-two") == second

    # --- logout notices

    def test_a_notice_is_found_by_its_id(self, store: Store) -> None:
        _record(store, example_notice(), example_notice("two", problem="timeout", state=NoticeState.UNDELIVERABLE))

        assert store.notice("notice-one") == example_notice()
        assert store.notice("notice-two") == example_notice("two", problem="timeout", state=NoticeState.UNDELIVERABLE)
        assert store.notice("notice-three") is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"attempts": 3, "due_at": NOW + 60, "problem": "HTTP 503"},
            {"attempts": 9, "due_at": NOW + 86400, "problem": "HTTP 400", "state": NoticeState.UNDELIVERABLE},
            {
                "channel": Channel.FRONTCHANNEL,
                "client_id": "rp-b",
                "sub": "",
                "sid": "",
                "uid": "bob",
                "ended_at": 1,
                "reason": Reason.ADMIN,
            },
        ],
        ids=["deferred", "undeliverable", "another client and reason"],
    )
    def test_a_notice_is_replaced(self, store: Store, fields: dict[str, Any]) -> None:
        _record(store, example_notice(), example_notice("two"))

        store.commit([PutNotice(example_notice(**fields))])

        changed = example_notice(**fields)
        assert store.notice("notice-one") == changed
        assert store.notice("notice-two") == example_notice("two")
        assert store.notices(10, state=changed.state, client_id=changed.client_id)[-1] in (changed, example_notice("two"))
        assert len(store.notices(10)) == 2

    def test_a_notice_that_was_given_up_can_be_sent_again(self, store: Store) -> None:
        _record(store, example_notice(state=NoticeState.UNDELIVERABLE, due_at=NOW + 1000))
        assert store.lease_notices(NOW + 2000, NOW + 3000, 10) == []

        store.commit([PutNotice(example_notice(due_at=NOW))])

        assert store.lease_notices(NOW, NOW + 5, 10) == [example_notice(due_at=NOW + 5)]
        assert store.notices(10, state=NoticeState.UNDELIVERABLE) == []

    def test_a_notice_that_is_not_there_cannot_be_replaced(self, store: Store) -> None:
        _record(store, example_notice("two"))

        _refused(store, PutNotice(example_notice()))

        assert store.notices(10) == [example_notice("two")]

    def test_a_deleted_notice_is_gone(self, store: Store) -> None:
        _record(store, example_notice(), example_notice("two"))

        store.commit([DeleteNotice("notice-one"), DeleteNotice("notice-never-there")])

        assert store.notice("notice-one") is None
        assert store.notices(10) == [example_notice("two")]
        assert store.lease_notices(NOW, NOW + 5, 10) == [example_notice("two", due_at=NOW + 5)]
        _refused(store, PutNotice(example_notice()))

    def test_the_changes_of_notices_that_a_refused_commit_holds_are_not_made(self, store: Store) -> None:
        kept = [example_notice("a"), example_notice("b"), example_notice("c", client_id="rp-b")]
        _record(store, *kept)
        changes: list[Change] = [PutNotice(replace(kept[0], due_at=NOW + 99)), DeleteNotice("notice-b"), DeferNotices("rp-b", NOW + 99)]

        with pytest.raises(Conflict):
            store.commit([*changes, TakeEphemeral("kind", "never there", NOW)])

        assert store.notices(10) == kept
        assert store.notices(10, client_id="rp-a") == kept[:2]
        assert store.notice_counts() == {NoticeState.PENDING: 3, NoticeState.UNDELIVERABLE: 0}
        assert store.lease_notices(NOW, NOW + 1, 10) == [replace(notice, due_at=NOW + 1) for notice in kept]

    def test_notices_that_are_due_are_leased_and_put_off(self, store: Store) -> None:
        _record(store, *(example_notice(name, due_at=NOW + at) for name, at in [("past", -1), ("now", 0), ("later", 1)]))

        leased = store.lease_notices(NOW, NOW + 30, 10)

        assert leased == [example_notice(name, due_at=NOW + 30) for name in ("past", "now")]
        assert [store.notice(notice.id) for notice in leased] == leased
        assert store.notice("notice-later") == example_notice("later", due_at=NOW + 1)
        assert store.lease_notices(NOW, NOW + 30, 10) == []

    def test_a_leased_notice_is_due_again_when_the_lease_is_over(self, store: Store) -> None:
        _record(store, example_notice())
        store.lease_notices(NOW, NOW + 30, 10)

        assert store.lease_notices(NOW + 29, NOW + 60, 10) == []
        assert store.lease_notices(NOW + 30, NOW + 60, 10) == [example_notice(due_at=NOW + 60)]

    def test_undeliverable_notices_are_not_leased(self, store: Store) -> None:
        given_up = example_notice(state=NoticeState.UNDELIVERABLE)
        _record(store, given_up)

        assert store.lease_notices(NOW + 1000, NOW + 2000, 10) == []
        assert store.notice("notice-one") == given_up

    def test_the_longest_due_are_leased_first_and_of_equally_due_ones_that_which_ended_first(self, store: Store) -> None:
        times = {"e": (9, 1), "b": (5, 3), "d": (5, 8), "a": (1, 9), "c": (5, 5)}
        _record(store, *(example_notice(name, due_at=NOW - 10 + due, ended_at=NOW - 20 + ended) for name, (due, ended) in times.items()))

        leased = [store.lease_notices(NOW, NOW + 30, limit) for limit in (2, 1, 10)]

        assert [[notice.id for notice in each] for each in leased] == [["notice-a", "notice-b"], ["notice-c"], ["notice-d", "notice-e"]]

    def test_of_many_workers_that_lease_at_once_each_notice_goes_to_one(self, store: Store) -> None:
        workers, each = 6, 5
        _record(store, *(example_notice(f"{i:02}") for i in range(workers * each)))
        leased: list[str] = []

        def lease(_: int) -> None:
            while notices := store.lease_notices(NOW, NOW + 30, 4):
                leased.extend(notice.id for notice in notices)

        assert len(winners(lease, workers)) == workers
        assert sorted(leased) == [f"notice-{i:02}" for i in range(workers * each)]

    def test_the_notices_of_a_client_that_does_not_answer_are_put_off_at_once(self, store: Store) -> None:
        dead = [example_notice(f"{at}", due_at=NOW + at) for at in (-5, 0, 59)]
        later, edge = example_notice("later", due_at=NOW + 61), example_notice("edge", due_at=NOW + 60)
        given_up = example_notice("given-up", state=NoticeState.UNDELIVERABLE)
        other = example_notice("other", client_id="rp-b")
        _record(store, *dead, later, edge, given_up, other)

        store.commit([DeferNotices("rp-a", NOW + 60), DeferNotices("rp-unknown", NOW + 60)])

        assert [store.notice(notice.id) for notice in dead] == [replace(notice, due_at=NOW + 60) for notice in dead]
        assert [store.notice(notice.id) for notice in (later, edge, given_up, other)] == [later, edge, given_up, other]
        assert store.lease_notices(NOW + 59, NOW + 100, 10) == [replace(other, due_at=NOW + 100)]
        assert len(store.lease_notices(NOW + 60, NOW + 100, 10)) == 4

    def test_a_leased_notice_is_put_off_with_the_others_of_its_client(self, store: Store) -> None:
        _record(store, example_notice("a"), example_notice("b"))
        (mine,) = store.lease_notices(NOW, NOW + 30, 1)

        store.commit([PutNotice(replace(mine, attempts=1, due_at=NOW + 10)), DeferNotices("rp-a", NOW + 60)])

        assert store.notices(10) == [example_notice("a", attempts=1, due_at=NOW + 60), example_notice("b", due_at=NOW + 60)]

    def test_notices_are_listed_by_state_and_by_client_those_due_first_first(self, store: Store) -> None:
        def of(name: str, at: int, state: NoticeState, client_id: str) -> LogoutNotice:
            return example_notice(name, due_at=NOW + at, state=state, client_id=client_id)

        pending, given_up = NoticeState.PENDING, NoticeState.UNDELIVERABLE
        a, b, c = of("a", 6, pending, "rp-a"), of("b", 1, given_up, "rp-a"), of("c", 3, pending, "rp-a")
        d, e, f = of("d", 4, given_up, "rp-b"), of("e", 5, pending, "rp-b"), of("f", 2, pending, "rp-b")
        _record(store, a, b, c, d, e, f)

        assert store.notices(10) == [b, f, c, d, e, a]
        assert store.notices(3) == [b, f, c]
        assert store.notices(10, state=pending) == [f, c, e, a]
        assert store.notices(1, state=given_up) == [b]
        assert store.notices(10, client_id="rp-a") == [b, c, a]
        assert store.notices(2, client_id="rp-b") == [f, d]
        assert store.notices(10, state=pending, client_id="rp-b") == [f, e]
        assert store.notices(10, state=given_up, client_id="rp-b") == [d]
        assert store.notices(10, client_id="rp-c") == []

    def test_notices_are_counted_in_each_state(self, store: Store) -> None:
        assert store.notice_counts() == {NoticeState.PENDING: 0, NoticeState.UNDELIVERABLE: 0}

        _record(store, example_notice("a"), example_notice("b"), example_notice("c", state=NoticeState.UNDELIVERABLE))

        assert store.notice_counts() == {NoticeState.PENDING: 2, NoticeState.UNDELIVERABLE: 1}

        store.commit([PutNotice(example_notice("a", state=NoticeState.UNDELIVERABLE)), DeleteNotice("notice-c")])
        assert store.notice_counts() == {NoticeState.PENDING: 1, NoticeState.UNDELIVERABLE: 1}

    # --- grants

    def test_a_grant_comes_back_as_it_was_put(self, store: Store) -> None:
        grant = example_grant(op_session_id="id-one", sid="sid", is_offline=True, refresh_digest="digest", version=7)

        store.commit([PutOpSession(example_op_session()), PutGrant(grant), PutGrant(example_grant("two"))])

        assert store.grant("grant-one") == grant
        assert store.grant("grant-two") == example_grant("two")

    def test_an_expired_grant_that_is_not_swept_is_returned(self, store: Store) -> None:
        grant = example_grant(expires_at=1)

        store.commit([PutGrant(grant)])

        assert store.grant("grant-one") == grant

    def test_an_unknown_grant_is_none(self, store: Store) -> None:
        assert store.grant("grant-one") is None

    def test_a_new_grant_needs_a_new_id(self, store: Store) -> None:
        store.commit([PutGrant(example_grant())])

        _refused(store, PutGrant(example_grant(uid="bob")))

        assert store.grant("grant-one") == example_grant()
        assert store.grant_ids("uid", "bob", 10) == []

    def test_a_new_grant_needs_its_op_session(self, store: Store) -> None:
        _refused(store, PutGrant(example_grant(op_session_id="id-one")))

        assert store.grant("grant-one") is None

    @pytest.mark.spec("RI-50")
    def test_an_op_session_that_has_ended_gets_no_more_grants(self, store: Store) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session), EndOpSession(session)])

        _refused(store, PutGrant(example_grant(op_session_id="id-one")))

    def test_an_update_replaces_a_grant_and_counts_its_version(self, store: Store) -> None:
        session = example_op_session(rp_sessions=(example_rp_session(sub="bob-at-rp-a"),))
        store.commit([PutOpSession(session), PutGrant(example_grant())])
        changed = example_grant(
            data={"code_used": True}, sub="bob-at-rp-a", op_session_id="id-one", refresh_digest="digest", is_offline=True
        )

        store.commit([UpdateGrant(changed)])

        assert store.grant("grant-one") == replace(changed, version=2)
        assert store.grant_ids("sub", "alice-at-rp-a", 10) == []
        assert store.grant_ids("sub", "bob-at-rp-a", 10) == ["grant-one"]
        assert store.grant_ids("op_session_id", "id-one", 10) == ["grant-one"]

    def test_a_grant_update_needs_the_version_that_was_read(self, store: Store) -> None:
        store.commit([PutGrant(example_grant())])
        store.commit([UpdateGrant(example_grant(data={"winner": 1}))])

        _refused(store, UpdateGrant(example_grant(data={"winner": 2})))

        assert store.grant("grant-one") == example_grant(data={"winner": 1}, version=2)

    def test_an_update_of_a_grant_that_is_not_there_is_refused(self, store: Store) -> None:
        _refused(store, UpdateGrant(example_grant()))

        assert store.grant("grant-one") is None

    def test_an_update_cannot_move_a_grant_to_an_op_session_that_is_not_there(self, store: Store) -> None:
        store.commit([PutGrant(example_grant())])

        _refused(store, UpdateGrant(example_grant(op_session_id="id-one")))

        assert store.grant("grant-one") == example_grant()

    def test_a_deleted_grant_is_found_in_no_way(self, store: Store) -> None:
        store.commit([PutGrant(example_grant()), PutGrant(example_grant("two"))])

        store.commit([DeleteGrant("grant-one"), DeleteGrant("grant-never-there")])

        assert store.grant("grant-one") is None
        assert store.grant_ids("client_id", "rp-a", 10) == ["grant-two"]

    @pytest.mark.parametrize("attribute", ["uid", "sub", "sid", "client_id"])
    def test_grants_without_an_op_session_are_found_by_each_attribute(self, store: Store, attribute: GrantAttribute) -> None:
        other = dict.fromkeys(("uid", "sub", "sid", "client_id"), "other")
        store.commit([PutGrant(example_grant(name, **{**other, attribute: "this"})) for name in ("one", "two")])
        store.commit([PutGrant(example_grant("else", **other))])

        assert sorted(store.grant_ids(attribute, "this", 10)) == ["grant-one", "grant-two"]
        assert store.grant_ids(attribute, "nobody", 10) == []

    @pytest.mark.parametrize(
        ("attribute", "value", "found"),
        [
            ("op_session_id", "id-this", ["a-early", "a-late", "b"]),
            ("uid", "carol", ["a-early", "a-late", "b"]),
            ("client_id", "rp-a", ["a-early", "a-late", "alone", "other"]),
            ("sub", "carol-at-a", ["a-early", "a-late"]),
            ("sid", "sid-this-rp-a", ["a-early", "a-late"]),
        ],
    )
    def test_grants_are_found_through_their_op_session(self, store: Store, attribute: GrantAttribute, value: str, found: list[str]) -> None:
        _put_grants_of_two_sessions(store)

        assert sorted(store.grant_ids(attribute, value, 10)) == [f"grant-{name}" for name in found]
        assert len(store.grant_ids(attribute, value, 2)) == 2

    @pytest.mark.parametrize(
        ("attribute", "value"), [("uid", "alice"), ("client_id", "rp-b"), ("sub", "alice-at-rp-b"), ("sid", "sid-two-rp-b")]
    )
    def test_a_limit_counts_neither_sessions_without_grants_nor_grants_of_others(
        self, store: Store, attribute: GrantAttribute, value: str
    ) -> None:
        for at, name in enumerate(("one", "two", "three")):
            shares = tuple(example_rp_session(name, client_id=rp) for rp in ("rp-a", "rp-b"))
            store.commit([PutOpSession(example_op_session(name, uid="alice", created_at=NOW + at, rp_sessions=shares))])
        for rp in ("rp-a", "rp-b") if attribute != "uid" else ("rp-b",):
            fields = {"client_id": rp, "sub": f"alice-at-{rp}", "sid": f"sid-two-{rp}", "op_session_id": "id-two"}
            store.commit([PutGrant(example_grant(rp, uid="alice", **fields))])

        assert store.grant_ids(attribute, value, 1) == ["grant-rp-b"]

    def test_grants_of_rps_that_know_the_user_by_the_same_sub_are_found_once_each(self, store: Store) -> None:
        shares = tuple(example_rp_session(client_id=rp, sub="alice") for rp in ("rp-a", "rp-b"))
        store.commit([PutOpSession(example_op_session(rp_sessions=shares))])
        grants = [example_grant(rp.client_id, client_id=rp.client_id, sub=rp.sub, sid=rp.sid, op_session_id="id-one") for rp in shares]
        store.commit([PutGrant(grant) for grant in grants])

        assert sorted(store.grant_ids("sub", "alice", 10)) == ["grant-rp-a", "grant-rp-b"]

    def test_what_a_caller_changes_in_a_row_it_has_read_or_put_does_not_change_the_store(self, store: Store) -> None:
        row: dict[str, Any] = {"scope": ["openid"]}
        store.commit([PutGrant(example_grant(data=row))])
        row["scope"].append("put")
        read = store.grant("grant-one")
        assert read is not None
        read.data["scope"].append("read")

        assert store.grant("grant-one") == example_grant(data={"scope": ["openid"]})

    # --- clients and consents

    def test_a_client_comes_back_as_it_was_put(self, store: Store) -> None:
        client = Client("rp-a", {"client_name": "Zoë", "redirect_uris": [["https://a.example/cb", None]]}, frozenset({"https://a.example"}))

        store.commit([PutClient(client)])

        assert store.client("rp-a") == client
        assert store.client("rp-b") is None

    def test_a_client_is_replaced_with_its_origins(self, store: Store) -> None:
        store.commit([PutClient(Client("rp-a", {"client_name": "Old"}, frozenset({"https://old.example", "https://both.example"})))])
        client = Client("rp-a", {"client_name": "New"}, frozenset({"https://both.example", "https://new.example"}))

        store.commit([UpdateClient(client)])

        assert store.client("rp-a") == client
        assert [store.is_client_origin(f"https://{name}.example") for name in ("old", "both", "new")] == [False, True, True]

    def test_a_new_client_needs_a_new_id(self, store: Store) -> None:
        client = Client("rp-a", {"client_name": "First"}, frozenset({"https://first.example"}))
        store.commit([PutClient(client)])

        with pytest.raises(Conflict):
            store.commit([PutClient(Client("rp-a", {"client_name": "Second"}, frozenset({"https://second.example"})))])

        assert store.client("rp-a") == client
        assert not store.is_client_origin("https://second.example")

    def test_a_client_that_was_deleted_does_not_come_back_by_a_change_of_it(self, store: Store) -> None:
        store.commit([PutClient(Client("rp-a", {}))])
        store.commit([DeleteClient("rp-a")])

        with pytest.raises(Conflict):
            store.commit([UpdateClient(Client("rp-a", {"client_name": "Back"}, frozenset({"https://back.example"})))])

        assert store.client("rp-a") is None
        assert store.client_ids() == []
        assert not store.is_client_origin("https://back.example")

    def test_a_client_may_have_no_origin_or_several(self, store: Store) -> None:
        none, several = Client("none", {}), Client("several", {}, frozenset({"https://a.example", "https://b.example:8443"}))

        store.commit([PutClient(none), PutClient(several)])

        assert store.client("none") == none
        assert store.client("several") == several
        assert store.client_ids() == ["none", "several"]

    def test_an_origin_is_known_while_any_client_has_it(self, store: Store) -> None:
        origin = frozenset({"https://spa.example"})
        store.commit([PutClient(Client("rp-a", {}, origin)), PutClient(Client("rp-b", {}, origin))])
        assert store.is_client_origin("https://spa.example")

        store.commit([UpdateClient(Client("rp-a", {}))])
        assert store.is_client_origin("https://spa.example")

        store.commit([DeleteClient("rp-b")])
        assert not store.is_client_origin("https://spa.example")

    @pytest.mark.parametrize("origin", ["http://spa.example", "https://spa.example:8443", "https://SPA.example", "https://spa", "null", ""])
    def test_an_origin_that_differs_is_not_known(self, store: Store, origin: str) -> None:
        store.commit([PutClient(Client("rp-a", {}, frozenset({"https://spa.example"})))])

        assert not store.is_client_origin(origin)

    def test_with_a_client_go_the_consents_given_to_it(self, store: Store) -> None:
        store.commit([PutClient(Client("rp-a", {}))])
        given = [Consent(uid, client, frozenset({"openid"}), NOW) for uid in ("alice", "bob") for client in ("rp-a", "rp-b")]
        store.commit([PutConsent(consent) for consent in given])

        store.commit([DeleteClient("rp-a"), DeleteClient("never-there")])

        assert store.client("rp-a") is None
        assert store.client_ids() == []
        assert [store.consent(uid, "rp-a") for uid in ("alice", "bob")] == [None, None]
        assert [store.consent(uid, "rp-b") for uid in ("alice", "bob")] == [given[1], given[3]]

    def test_a_consent_takes_the_place_of_the_one_before(self, store: Store) -> None:
        store.commit([PutConsent(Consent("alice", "rp-a", frozenset({"openid", "email"}), NOW))])

        store.commit([PutConsent(Consent("alice", "rp-a", frozenset({"openid"}), NOW + 1))])

        assert store.consent("alice", "rp-a") == Consent("alice", "rp-a", frozenset({"openid"}), NOW + 1)
        assert store.consent("rp-a", "alice") is None

    def test_a_deleted_consent_is_gone_and_others_stay(self, store: Store) -> None:
        store.commit([PutConsent(Consent(uid, "rp-a", frozenset({"openid"}), NOW)) for uid in ("alice", "bob")])

        store.commit([DeleteConsent("alice", "rp-a"), DeleteConsent("alice", "never-there")])

        assert store.consent("alice", "rp-a") is None
        assert store.consent("bob", "rp-a") is not None

    # --- short-lived records and facts

    def test_a_record_is_there_until_the_second_it_expires(self, store: Store) -> None:
        record = EphemeralRecord("confirmation", "key", NOW + 10, {"sids": ["a", "b"]})

        store.commit([PutEphemeral(record)])

        assert store.ephemeral("confirmation", "key", NOW + 9) == record
        assert store.ephemeral("confirmation", "key", NOW + 10) is None
        assert store.ephemeral("other kind", "key", NOW) is None
        assert store.ephemeral("confirmation", "other key", NOW) is None

    def test_a_record_takes_the_place_of_the_one_before(self, store: Store) -> None:
        store.commit([PutEphemeral(EphemeralRecord("kind", "key", NOW + 10, {"n": 1}))])

        store.commit([PutEphemeral(EphemeralRecord("kind", "key", NOW + 20, {"n": 2}))])

        assert store.ephemeral("kind", "key", NOW + 15) == EphemeralRecord("kind", "key", NOW + 20, {"n": 2})

    def test_several_records_are_looked_at_together(self, store: Store) -> None:
        records = [EphemeralRecord("kind", key, NOW + 10, {"of": key}) for key in ("a", "b", "c")]
        others = [EphemeralRecord("kind", "late", NOW + 9), EphemeralRecord("other kind", "a", NOW + 99)]
        store.commit([PutEphemeral(record) for record in [*records, *others]])

        found = store.ephemerals("kind", ["c", "late", "never-there", "a"], NOW + 9)

        assert sorted(found, key=lambda record: record.key) == [records[0], records[2]]
        assert store.ephemerals("kind", ["a"], NOW + 10) == []
        assert store.ephemerals("kind", [], NOW) == []

    def test_a_claim_is_refused_while_one_is_unexpired(self, store: Store) -> None:
        first = EphemeralRecord("assertion", "jti", NOW + 10, {"n": 1})
        store.commit([ClaimEphemeral(first, NOW)])

        _refused(store, ClaimEphemeral(replace(first, expires_at=NOW + 99, payload={"n": 2}), NOW + 9))

        assert store.ephemeral("assertion", "jti", NOW) == first

    def test_a_claim_takes_the_place_of_one_that_has_expired(self, store: Store) -> None:
        store.commit([PutEphemeral(EphemeralRecord("assertion", "jti", NOW + 10))])
        second = EphemeralRecord("assertion", "jti", NOW + 99, {"n": 2})

        store.commit([ClaimEphemeral(second, NOW + 10)])

        assert store.ephemeral("assertion", "jti", NOW + 11) == second

    @pytest.mark.spec("SEC-13")
    def test_a_record_is_taken_once(self, store: Store) -> None:
        store.commit([PutEphemeral(EphemeralRecord("confirmation", "key", NOW + 10))])

        store.commit([TakeEphemeral("confirmation", "key", NOW + 9)])

        assert store.ephemeral("confirmation", "key", NOW) is None
        _refused(store, TakeEphemeral("confirmation", "key", NOW))

    @pytest.mark.spec("SEC-13")
    def test_a_record_is_not_taken_from_the_second_it_expires(self, store: Store) -> None:
        record = EphemeralRecord("confirmation", "key", NOW + 10)
        store.commit([PutEphemeral(record)])

        _refused(store, TakeEphemeral("confirmation", "key", NOW + 10))
        _refused(store, TakeEphemeral("other kind", "key", NOW))

        assert store.ephemeral("confirmation", "key", NOW) == record

    def test_a_record_can_be_claimed_again_once_it_was_taken(self, store: Store) -> None:
        record = EphemeralRecord("kind", "key", NOW + 10)
        store.commit([PutEphemeral(record), TakeEphemeral("kind", "key", NOW)])

        store.commit([ClaimEphemeral(record, NOW)])

        assert store.ephemeral("kind", "key", NOW) == record

    def test_a_deleted_record_is_gone(self, store: Store) -> None:
        store.commit([PutEphemeral(EphemeralRecord("kind", key, NOW + 10)) for key in ("a", "b")])

        store.commit([DeleteEphemeral("kind", "a"), DeleteEphemeral("kind", "never-there")])

        assert store.ephemeral("kind", "a", NOW) is None
        assert store.ephemeral("kind", "b", NOW) is not None

    def test_a_fact_is_claimed_by_the_first_and_agreed_to_by_all_who_say_the_same(self, store: Store) -> None:
        store.commit([ClaimFact("secret", "fingerprint")])

        store.commit([ClaimFact("secret", "fingerprint")])

        assert store.fact("secret") == "fingerprint"
        assert store.fact("unknown") is None

    def test_a_fact_with_another_value_is_refused(self, store: Store) -> None:
        store.commit([ClaimFact("secret", "fingerprint")])

        _refused(store, ClaimFact("secret", "another"))

        assert store.fact("secret") == "fingerprint"

    def test_a_fact_is_replaced_only_by_who_knows_its_value(self, store: Store) -> None:
        store.commit([ClaimFact("secret", "first", instead_of="never there")])

        _refused(store, ClaimFact("secret", "second", instead_of="another"))
        store.commit([ClaimFact("secret", "second", instead_of="first")])
        _refused(store, ClaimFact("secret", "third", instead_of="first"))

        assert store.fact("secret") == "second"

    # --- commits as a whole

    @pytest.mark.parametrize("position", [0, 3, 12], ids=["first", "in the middle", "last"])
    def test_a_commit_in_which_one_condition_fails_keeps_nothing(self, store: Store, position: int) -> None:
        kept = example_op_session("kept", rp_sessions=(example_rp_session("kept"),))
        store.commit([PutOpSession(kept), PutGrant(example_grant("kept", op_session_id="id-kept"))])
        store.commit([PutClient(Client("kept", {}, frozenset({"https://kept.example"}))), PutClient(Client("rp-x", {"n": 1}))])
        store.commit([PutConsent(Consent("alice", "kept", frozenset(), NOW)), PutEphemeral(EphemeralRecord("kind", "kept", NOW + 10))])
        changes: list[Change] = [
            PutOpSession(example_op_session()),
            AddRpSession("id-one", example_rp_session()),
            TouchOpSession("id-one", NOW + 50, NOW + 500),
            PutGrant(example_grant(op_session_id="id-one")),
            UpdateGrant(example_grant("kept", op_session_id="id-one")),
            UpdateOpSession(replace(kept, uid="bob")),
            EndOpSession(replace(kept, version=2), [example_notice()]),
            DeleteClient("kept"),
            UpdateClient(Client("rp-x", {"n": 2}, frozenset({"https://x.example"}))),
            PutEphemeral(EphemeralRecord("kind", "new", NOW + 10)),
            TakeEphemeral("kind", "kept", NOW),
            ClaimFact("name", "value"),
        ]
        failing = TakeEphemeral("kind", "never there", NOW)

        with pytest.raises(Conflict) as conflict:
            store.commit([*changes[:position], failing, *changes[position:]])

        assert conflict.value.change is failing
        assert store.op_session_by_cookie("cookie-kept") == kept
        assert store.op_session_id_of_sid("sid-kept-rp-a") == "id-kept"
        assert store.op_sessions_of_user("alice") == [kept]
        assert store.op_sessions_of_user("bob") == []
        assert [session.id for session in store.due_op_sessions(NOW + 100, 10)] == ["id-kept"]
        assert store.op_session("id-one") is None
        assert store.op_session_id_of_sid("sid-one-rp-a") is None
        assert store.grant("grant-kept") == example_grant("kept", op_session_id="id-kept")
        assert store.grant_ids("uid", "alice", 10) == ["grant-kept"]
        assert store.grant_ids("op_session_id", "id-kept", 10) == ["grant-kept"]
        assert store.client("kept") == Client("kept", {}, frozenset({"https://kept.example"}))
        assert store.is_client_origin("https://kept.example")
        assert store.client("rp-x") == Client("rp-x", {"n": 1})
        assert not store.is_client_origin("https://x.example")
        assert store.consent("alice", "kept") is not None
        assert store.ephemeral("kind", "kept", NOW) is not None
        assert store.ephemeral("kind", "new", NOW) is None
        assert store.fact("name") is None
        assert store.notices(10) == []

        store.commit(changes)  # nothing of the refused commit was stored

        assert store.op_session("id-kept") is None
        assert sorted(store.grant_ids("op_session_id", "id-one", 10)) == ["grant-kept", "grant-one"]

    def test_changes_are_made_in_order(self, store: Store) -> None:
        first, second = EphemeralRecord("kind", "key", NOW + 1, {"n": 1}), EphemeralRecord("kind", "key", NOW + 2, {"n": 2})

        store.commit([PutEphemeral(first), DeleteEphemeral("kind", "key"), ClaimEphemeral(second, NOW), PutGrant(example_grant())])
        store.commit([DeleteGrant("grant-one"), PutGrant(example_grant(uid="bob"))])

        assert store.ephemeral("kind", "key", NOW) == second
        assert store.grant("grant-one") == example_grant(uid="bob")

    def test_a_row_that_cannot_be_kept_keeps_nothing_of_its_commit(self, store: Store) -> None:
        with pytest.raises(TypeError):
            store.commit([ClaimFact("name", "value"), PutGrant(example_grant(data={"not JSON": object()}))])

        assert store.fact("name") is None
        store.commit([PutGrant(example_grant())])

    @pytest.mark.parametrize("attempts", [8])
    def test_of_many_who_try_the_same_at_once_exactly_one_succeeds(self, store: Store, attempts: int) -> None:
        session = example_op_session()
        store.commit([PutOpSession(session), PutGrant(example_grant()), PutEphemeral(EphemeralRecord("kind", "key", NOW + 10))])
        store.commit([ClaimFact("replaced", "before")])
        contested: list[Callable[[int], Change]] = [
            lambda _: TakeEphemeral("kind", "key", NOW),
            lambda i: ClaimEphemeral(EphemeralRecord("claim", "key", NOW + 10, {"by": i}), NOW),
            lambda i: UpdateGrant(example_grant(data={"by": i})),
            lambda i: PutOpSession(example_op_session(f"{i}", cookie_digest="same")),
            lambda i: ClaimFact("name", f"by {i}"),
            lambda i: ClaimFact("replaced", f"by {i}", instead_of="before"),
            lambda i: EndOpSession(session, [example_notice(f"{i}")]),
        ]

        for change in contested:
            won = winners(lambda i, change=change: store.commit([change(i)]), attempts)  # type: ignore[misc]
            assert len(won) == 1, change(0)

        assert len(store.notices(attempts)) == 1

    # --- maintenance

    def test_a_sweep_removes_what_has_expired_and_nothing_else(self, store: Store) -> None:
        store.commit([PutGrant(example_grant(f"{at}", expires_at=NOW + at)) for at in (-1, 0, 1)])
        store.commit([PutEphemeral(EphemeralRecord("kind", f"{at}", NOW + at)) for at in (-1, 0, 1)])
        store.commit([PutOpSession(example_op_session(expires_at=NOW - 1)), PutOpSession(example_op_session("idle", idle_expires_at=NOW))])

        swept = store.sweep(NOW, 10)

        assert swept == Swept(grants=2, ephemerals=2)
        assert store.grant_ids("uid", "alice", 10) == ["grant-1"]
        assert [store.ephemeral("kind", f"{at}", NOW - 5) is None for at in (-1, 0, 1)] == [True, True, False]
        assert store.op_session("id-one") is not None
        assert store.op_session("id-idle") is not None
        assert store.sweep(NOW, 10) == Swept(0, 0)

    def test_a_sweep_is_bounded(self, store: Store) -> None:
        store.commit([PutGrant(example_grant(f"{i}", expires_at=NOW - i)) for i in range(5)])
        store.commit([PutEphemeral(EphemeralRecord("kind", f"{i}", NOW - i)) for i in range(7)])

        assert [store.sweep(NOW, 3) for _ in range(4)] == [Swept(3, 3), Swept(2, 3), Swept(0, 1), Swept(0, 0)]

    def test_what_has_expired_in_an_op_session_is_gone_after_a_sweep_and_its_next_grant(self, store: Store) -> None:
        grants = [example_grant(f"{at}", op_session_id="id-one", created_at=NOW - 9, expires_at=NOW + at) for at in (-1, 0, 1)]
        store.commit([PutOpSession(example_op_session()), *map(PutGrant, grants)])

        store.sweep(NOW, 10)
        store.commit([PutGrant(example_grant("new", op_session_id="id-one", created_at=NOW))])

        assert sorted(store.grant_ids("op_session_id", "id-one", 10)) == ["grant-1", "grant-new"]
        assert [store.grant(f"grant-{at}") is None for at in (-1, 0, 1)] == [True, True, False]

    def test_a_sweep_removes_undeliverable_notices_past_their_time_and_no_pending_ones(self, store: Store) -> None:
        pending = example_notice("pending", due_at=NOW - 1000)
        given_up = [example_notice(f"{at}", state=NoticeState.UNDELIVERABLE, due_at=NOW + at) for at in (-2, -1, 0, 1)]
        _record(store, pending, *given_up)

        assert [store.sweep(NOW, 2) for _ in range(3)] == [Swept(0, 0, 2), Swept(0, 0, 1), Swept(0, 0, 0)]
        assert store.notices(10) == [pending, given_up[3]]

    def test_a_store_that_works_answers_a_ping(self, store: Store) -> None:
        store.ping()


def _put_grants_of_two_sessions(store: Store) -> None:
    """Store grants: two of RP A and one of B in a session, one of A in another user's session, one of A without session."""
    shares = (example_rp_session("this", sub="carol-at-a"), example_rp_session("this", "rp-b", sub="carol-at-b"))
    store.commit([PutOpSession(example_op_session("this", uid="carol", rp_sessions=shares))])
    store.commit([PutOpSession(example_op_session("other", rp_sessions=(example_rp_session("other"),)))])
    of_a = {"uid": "carol", "op_session_id": "id-this", "sub": "carol-at-a", "sid": "sid-this-rp-a"}
    of_b = {"uid": "carol", "op_session_id": "id-this", "client_id": "rp-b", "sub": "carol-at-b", "sid": "sid-this-rp-b"}
    grants = [example_grant("a-late", **of_a), example_grant("a-early", created_at=NOW - 1, **of_a), example_grant("b", **of_b)]
    grants += [example_grant("other", op_session_id="id-other", sid="sid-other-rp-a"), example_grant("alone")]
    store.commit([PutGrant(grant) for grant in grants])


def _refused(store: Store, change: Change) -> None:
    """Commit a change whose condition does not hold, and verify that `Conflict` has this change."""
    with pytest.raises(Conflict) as conflict:
        store.commit([change])
    assert conflict.value.change is change


def _record(store: Store, *notices: LogoutNotice) -> None:
    """Store notices with the end of an OP session in one commit."""
    session = example_op_session("of notices")
    store.commit([PutOpSession(session), EndOpSession(session, notices)])


def _place(found: list[OpSession]) -> tuple[int, str]:
    """Return the position after the last session found, or before all sessions if none was found."""
    return (found[0].created_at, found[0].id) if found else (0, "")

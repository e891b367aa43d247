"""Of many who try the same thing at the same time one succeeds; a process that is killed leaves no half of a logout.

The file is also the program of the processes that it starts: see `_contend`, `_lease` and `_end_one_after_the_other`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import oic_session_ext
from oic_session_ext.errors import Conflict, StoreUnavailable
from oic_session_ext.model import EphemeralRecord, Grant, OpSession
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import (
    AddRpSession,
    Change,
    ClaimEphemeral,
    ClaimFact,
    EndOpSession,
    PutEphemeral,
    PutGrant,
    PutNotice,
    PutOpSession,
    TakeEphemeral,
    UpdateGrant,
)
from oic_session_ext.testing.examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from oic_session_ext.testing.store_contract import winners
from tests.store.postgresql_server import PostgresqlServer

ROUNDS = int(os.environ.get("RACE_ROUNDS", "25"))  # 1700 for ten thousand races between processes
THREADS = 8
PROCESSES = 3
THREADS_OF_A_PROCESS = 3
KILLS = int(os.environ.get("KILL_ROUNDS", "4"))

# Each contest has a row per round to be won; `me` tells the contenders apart.
CONTESTS: dict[str, Callable[[int, str], Change]] = {
    "take a record": lambda i, _: TakeEphemeral("taken", f"{i}", NOW),
    "claim a record": lambda i, me: ClaimEphemeral(EphemeralRecord("claimed", f"{i}", NOW + 10, {"by": me}), NOW),
    "redeem a grant": lambda i, me: UpdateGrant(example_grant(f"raced-{i}", data={"by": me})),
    "end an OP session": lambda i, me: EndOpSession(_session(i), [example_notice(f"{i}-{me}")]),
    "take a cookie": lambda i, me: PutOpSession(example_op_session(f"{i}-{me}", cookie_digest=f"cookie-raced-{i}")),
    "claim a fact": lambda i, me: ClaimFact(f"raced-{i}", me),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database that several processes can use."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/op.sqlite"
    postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
    return postgresql.url(postgresql.new_database())


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        store = open_store(postgresql.url(postgresql.emptied_database()))
    else:
        store = open_store("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/op.sqlite")
    yield store
    store.close()


@pytest.mark.parametrize("contest", CONTESTS)
def test_of_many_threads_exactly_one_wins_each_contest(store: Store, contest: str) -> None:
    store.commit([change for i in range(ROUNDS) for change in _prizes(i)])

    def try_all(thread: int) -> list[int]:
        return [i for i in range(ROUNDS) if _wins(store, CONTESTS[contest](i, f"{thread}"))]

    results: dict[int, list[int]] = {}
    winners(lambda thread: results.__setitem__(thread, try_all(thread)), THREADS)

    assert len(results) == THREADS
    assert Counter(i for won in results.values() for i in won) == dict.fromkeys(range(ROUNDS), 1)


def test_shares_that_are_added_at_once_are_all_there_and_all_counted(store: Store) -> None:
    store.commit([PutOpSession(example_op_session())])

    winners(lambda i: store.commit([AddRpSession("id-one", example_rp_session(client_id=f"rp-{i % 4}"))]), THREADS)

    found = store.op_session("id-one")
    assert found is not None
    assert {share.client_id for share in found.rp_sessions} == {"rp-0", "rp-1", "rp-2", "rp-3"}
    assert found.version == 5


def test_a_grant_that_races_with_the_end_of_its_op_session_never_outlives_it(store: Store) -> None:
    for i in range(ROUNDS):
        store.commit([PutOpSession(_session(i))])

        def end_or_add(thread: int, i: int = i) -> None:
            change = EndOpSession(_session(i)) if thread == 0 else PutGrant(example_grant(f"{i}-{thread}", op_session_id=f"id-{i}"))
            store.commit([change])

        winners(end_or_add, 4)

        assert store.op_session(f"id-{i}") is None
        assert store.grant_ids("op_session_id", f"id-{i}", 10) == []
        assert store.grant_ids("uid", "alice", 10) == []


def test_a_grant_that_becomes_offline_as_its_op_session_ends_is_kept_or_refused(store: Store) -> None:
    for i in range(ROUNDS):
        grant = example_grant(f"{i}", op_session_id=f"id-{i}")
        offline = replace(grant, is_offline=True, refresh_digest="digest")
        store.commit([PutOpSession(_session(i)), PutGrant(grant)])
        changes = [EndOpSession(_session(i)), UpdateGrant(offline)]

        won = winners(lambda thread, changes=changes: store.commit([changes[thread]]), 2)  # type: ignore[misc]

        assert 0 in won
        kept = replace(offline, op_session_id=None, version=3) if 1 in won else None
        assert store.grant(f"grant-{i}") == kept


def test_a_grant_that_is_used_as_it_is_swept_is_kept_or_refused(store: Store) -> None:
    for i in range(ROUNDS):
        grant = example_grant(f"{i}", expires_at=NOW)
        store.commit([PutGrant(grant)])
        used = replace(grant, expires_at=NOW + 1000)

        def use_or_sweep(thread: int, used: Grant = used) -> None:
            if thread == 0:
                store.commit([UpdateGrant(used)])
            else:
                store.sweep(NOW, 10)

        won = winners(use_or_sweep, 3)

        assert store.grant(f"grant-{i}") == (replace(used, version=2) if 0 in won else None)


def test_notices_that_are_changed_in_any_order_at_once_are_all_changed(store: Store) -> None:
    """Two commits that wait for each other: the database ends one of them, which is then made again."""
    session, notices = example_op_session(), [example_notice(f"{i}") for i in range(12)]
    store.commit([PutOpSession(session), EndOpSession(session, notices)])

    def change(thread: int) -> None:
        mine = notices if thread else notices[::-1]
        store.commit([PutNotice(replace(notice, attempts=1, problem="timeout")) for notice in mine])

    assert winners(change, 2) != []
    assert {notice.attempts for notice in store.notices(100)} == {1}


def test_of_many_processes_exactly_one_wins_each_contest(url: str) -> None:
    store = open_store(url)
    store.commit([change for i in range(ROUNDS) for change in _prizes(i)])

    results = _together([_start("contend", url, f"{process}") for process in range(PROCESSES)])

    won = Counter(line for result in results for line in result)
    assert won == {f"{contest} {i}": 1 for contest in CONTESTS for i in range(ROUNDS)}
    assert len(store.notices(10_000)) == ROUNDS
    store.close()


def test_of_many_processes_that_lease_notices_each_notice_goes_to_one(url: str) -> None:
    store = open_store(url)
    session = example_op_session()
    store.commit([PutOpSession(session), EndOpSession(session, [example_notice(f"{i}") for i in range(300)])])

    results = _together([_start("lease", url, f"{NOW + 60}") for _ in range(PROCESSES)])

    leased = Counter(line for result in results for line in result)
    assert leased == {f"notice-{i}": 1 for i in range(300)}
    assert {notice.due_at for notice in store.notices(1000)} == {NOW + 60}
    store.close()


@pytest.mark.spec("RI-50", "SID-10", "SID-11")
def test_after_a_kill_every_op_session_is_whole_or_gone_with_all_that_belongs_to_it(url: str) -> None:
    store = open_store(url)
    chance = random.Random()
    number = 0
    for _ in range(KILLS):
        numbers = range(number, number + 400)
        store.commit([change for i in numbers for change in _whole(i)])
        process = _start("end", url, f"{number}")
        assert process.stdout is not None
        reported = [int(process.stdout.readline()) for _ in range(chance.randint(1, 60))]
        _spin(chance.random() / 500)
        process.kill()
        reported += [int(line) for line in process.communicate()[0].splitlines()]

        _check_ends(store, numbers, reported)
        number += 400
    store.close()


@pytest.mark.spec("RI-50", "SID-10", "SID-11")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_after_a_database_server_was_gone_every_op_session_is_whole_or_gone(postgresql: PostgresqlServer, how: signal.Signals) -> None:
    store = open_store(postgresql.url(postgresql.new_database()))
    numbers = range(400)
    store.commit([change for i in numbers for change in _whole(i)])
    reported: list[int] = []
    refused: list[int] = []

    def end_every_fourth(thread: int) -> None:
        for i in numbers[thread::4]:
            try:
                _end(store, i)
                reported.append(i)
            except StoreUnavailable:
                refused.append(i)

    threads = [threading.Thread(target=end_every_fourth, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    while len(reported) < 40:
        _spin(0.001)
    postgresql.stop(how)
    while not refused:
        _spin(0.001)
    postgresql.start()
    for thread in threads:
        thread.join()

    assert len(reported) + len(refused) == len(numbers)
    _check_ends(store, numbers, reported)
    store.close()


def _together(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Let processes begin at the same moment; return the lines that each has printed."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=600)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return results


def _check_ends(store: Store, numbers: Sequence[int], reported: list[int]) -> None:
    """See that each OP session of `_whole` is whole or gone, and gone when its end was reported."""
    notices = Counter(notice.sid for notice in store.notices(100_000))
    ends = {i: _end_of(store, i, notices) for i in numbers}
    assert set(ends.values()) <= {"whole", "gone"}, ends
    assert [ends[i] for i in reported] == ["gone"] * len(reported)


def _session(i: int) -> OpSession:
    return example_op_session(f"{i}", rp_sessions=tuple(example_rp_session(f"{i}", client) for client in ("rp-a", "rp-b")))


def _prizes(i: int) -> list[Change]:
    """Return what the contests of a round are about."""
    return [PutOpSession(_session(i)), PutGrant(example_grant(f"raced-{i}")), PutEphemeral(EphemeralRecord("taken", f"{i}", NOW + 10))]


def _wins(store: Store, change: Change) -> bool:
    try:
        store.commit([change])
    except Conflict:
        return False
    return True


def _whole(i: int) -> list[Change]:
    """Return an OP session with a grant that ends with it and one that does not."""
    offline = example_grant(f"offline-{i}", op_session_id=f"id-{i}", is_offline=True, refresh_digest="digest")
    return [PutOpSession(_session(i)), PutGrant(example_grant(f"online-{i}", op_session_id=f"id-{i}")), PutGrant(offline)]


def _end_of(store: Store, i: int, notices: Counter[str]) -> str:
    """Tell what became of an OP session of `_whole`."""
    offline = store.grant(f"grant-offline-{i}")
    found = (
        store.op_session(f"id-{i}") == _session(i),
        store.op_session(f"id-{i}") is None and store.op_session_id_of_sid(f"sid-{i}-rp-a") is None,
        store.grant(f"grant-online-{i}") is not None,
        offline is not None and offline.op_session_id,
        [notices[share.sid] for share in _session(i).rp_sessions],
        store.ephemeral("ended", f"{i}", NOW) is not None,
    )
    if found == (True, False, True, f"id-{i}", [0, 0], False):
        return "whole"
    if found == (False, True, False, None, [1, 1], True):
        return "gone"
    return f"half: {found}"


def _spin(seconds: float) -> None:
    """Wait for less than a sleep can."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def _start(role: str, url: str, argument: str) -> subprocess.Popen[str]:
    root = Path(oic_session_ext.__path__[0]).parent
    environment = {**os.environ, "PYTHONPATH": f"{root}"}
    command = [sys.executable, __file__, role, url, argument]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _contend(store: Store, me: str) -> None:
    """Wait for a line, then try what the rivals try too, in several threads, and print what was won."""
    print("ready", flush=True)
    sys.stdin.readline()
    won: list[str] = []

    def try_all(thread: int) -> None:
        for contest, change in CONTESTS.items():
            won.extend(f"{contest} {i}" for i in range(ROUNDS) if _wins(store, change(i, f"{me}-{thread}")))

    assert len(winners(try_all, THREADS_OF_A_PROCESS)) == THREADS_OF_A_PROCESS
    print("".join(f"{line}\n" for line in won), end="")


def _lease(store: Store, until: str) -> None:
    """Wait for a line, then lease notices a few at a time, and print which they were."""
    print("ready", flush=True)
    sys.stdin.readline()
    while leased := store.lease_notices(NOW, int(until), 7):
        print("".join(f"{notice.id}\n" for notice in leased), end="")


def _end(store: Store, i: int) -> None:
    """End an OP session as a logout does."""
    notices = [example_notice(share.sid, sid=share.sid, client_id=share.client_id) for share in _session(i).rp_sessions]
    store.commit([EndOpSession(_session(i), notices), PutEphemeral(EphemeralRecord("ended", f"{i}", NOW + 10))])


def _end_one_after_the_other(store: Store, first: str) -> None:
    """End OP sessions until killed, and print the number of each once its end is committed."""
    for i in range(int(first), int(first) + 400):
        _end(store, i)
        print(i, flush=True)


if __name__ == "__main__":
    roles = {"contend": _contend, "lease": _lease, "end": _end_one_after_the_other}
    roles[sys.argv[1]](open_store(sys.argv[2]), sys.argv[3])

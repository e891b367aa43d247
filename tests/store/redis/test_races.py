"""On Redis too one of many threads and processes wins, and a process that is killed leaves no half of a logout.

The file is also the program of the processes that it starts.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import IO

import pytest

from oic_session_ext.errors import Conflict
from oic_session_ext.model import EphemeralRecord, OpSession
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
    PutOpSession,
    TakeEphemeral,
    UpdateGrant,
)
from oic_session_ext.testing.examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from oic_session_ext.testing.store_contract import winners
from tests.store.redis_server import redis_server, redis_url  # noqa: F401 -- fixtures

# ruff: noqa: F811 -- fixtures are named as what they give

ROUNDS = 50
THREADS = 4
PROCESSES = 3
KILLS = 4
SESSIONS = 120  # of which a process ends some before it is killed

CONTESTS = ("take", "claim", "redeem", "end", "cookie", "fact")


def test_of_many_threads_in_many_processes_exactly_one_wins_each_contest(redis_url: str) -> None:
    store = open_store(redis_url)
    for i in range(ROUNDS):
        grant, record = PutGrant(example_grant(f"{i}")), PutEphemeral(EphemeralRecord("taken", f"{i}", NOW + 10))
        store.commit([PutOpSession(_session(i)), grant, record])
    processes = [_start("contend", redis_url, f"{process}") for process in range(PROCESSES)]
    for process in processes:
        assert _lines(process).readline() == "ready\n"

    results = [process.communicate("go\n", timeout=120)[0].splitlines() for process in processes]

    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert Counter(line for result in results for line in result) == {f"{contest} {i}": 1 for contest in CONTESTS for i in range(ROUNDS)}
    assert len(store.notices(1000)) == ROUNDS
    store.close()


def test_shares_that_are_added_at_once_are_all_there_and_all_counted(redis_url: str) -> None:
    store = open_store(redis_url)
    store.commit([PutOpSession(example_op_session())])

    winners(lambda i: store.commit([AddRpSession("id-one", example_rp_session(client_id=f"rp-{i % 4}"))]), 8)

    found = store.op_session("id-one")
    assert found is not None
    assert {share.client_id for share in found.rp_sessions} == {"rp-0", "rp-1", "rp-2", "rp-3"}
    assert found.version == 5
    store.close()


def test_a_grant_that_races_with_the_end_of_its_op_session_never_outlives_it(redis_url: str) -> None:
    store = open_store(redis_url)
    for i in range(ROUNDS):
        store.commit([PutOpSession(_session(i))])

        def end_or_add(thread: int, i: int = i) -> None:
            change = EndOpSession(_session(i)) if thread == 0 else PutGrant(example_grant(f"{i}-{thread}", op_session_id=f"id-{i}"))
            store.commit([change])

        winners(end_or_add, 4)

        assert store.op_session(f"id-{i}") is None
        assert store.grant_ids("uid", "alice", 10) == []
    store.close()


@pytest.mark.spec("RI-50", "SID-10", "SID-11")
def test_after_a_kill_every_op_session_is_whole_or_gone_with_all_that_belongs_to_it(redis_url: str) -> None:
    store = open_store(redis_url)
    chance = random.Random()
    for kill in range(KILLS):
        numbers = range(kill * SESSIONS, (kill + 1) * SESSIONS)
        for i in numbers:
            offline = example_grant(f"offline-{i}", op_session_id=f"id-{i}", is_offline=True, refresh_digest="digest")
            store.commit([PutOpSession(_session(i)), PutGrant(example_grant(f"{i}", op_session_id=f"id-{i}")), PutGrant(offline)])
        process = _start("end", redis_url, f"{numbers.start}")
        reported = [int(_lines(process).readline()) for _ in range(chance.randint(1, SESSIONS // 2))]
        process.kill()
        reported += [int(line) for line in process.communicate()[0].splitlines()]

        ends = {i: _end_of(store, i) for i in numbers}

        assert set(ends.values()) <= {"whole", "gone"}, ends
        assert {ends[i] for i in reported} == {"gone"}
    store.close()


def _session(i: int) -> OpSession:
    return example_op_session(f"{i}", rp_sessions=tuple(example_rp_session(f"{i}", client) for client in ("rp-a", "rp-b")))


def _end_of(store: Store, i: int) -> str:
    """Tell what became of an OP session with a grant that ends with it and one that does not."""
    offline = store.grant(f"grant-offline-{i}")
    found = (
        store.op_session(f"id-{i}") == _session(i),
        store.op_session_id_of_sid(f"sid-{i}-rp-a") is not None,
        store.grant(f"grant-{i}") is not None,
        offline is not None and offline.op_session_id,
        [store.notice(f"notice-{i}-{client}") is not None for client in ("rp-a", "rp-b")],
        store.ephemeral("ended", f"{i}", NOW) is not None,
    )
    if found == (True, True, True, f"id-{i}", [False, False], False):
        return "whole"
    if found == (False, False, False, None, [True, True], True):
        return "gone"
    return f"half: {found}"


def _start(role: str, url: str, argument: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).resolve().parents[3]}"}
    command = [sys.executable, __file__, role, url, argument]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _lines(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _contend(store: Store, me: str) -> None:
    """Wait for a line, then try with several threads what the rivals try too, and print what was won."""
    print("ready", flush=True)
    sys.stdin.readline()
    won: list[str] = []

    def try_all(thread: int) -> None:
        for i in range(ROUNDS):
            for contest, change in zip(CONTESTS, _contested(i, f"{me}-{thread}"), strict=True):
                try:
                    store.commit([change])
                except Conflict:
                    continue
                won.append(f"{contest} {i}\n")

    winners(try_all, THREADS)
    print("".join(won), end="")


def _contested(i: int, me: str) -> list[Change]:
    """Return what each contender tries in a round, in the order of CONTESTS."""
    return [
        TakeEphemeral("taken", f"{i}", NOW),
        ClaimEphemeral(EphemeralRecord("claimed", f"{i}", NOW + 10, {"by": me}), NOW),
        UpdateGrant(example_grant(f"{i}", data={"by": me})),
        EndOpSession(_session(i), [example_notice(f"{i}-{me}")]),
        PutOpSession(example_op_session(f"{i}-{me}", cookie_digest=f"cookie-raced-{i}")),
        ClaimFact(f"raced-{i}", me),
    ]


def _end_one_after_the_other(store: Store, first: str) -> None:
    """End OP sessions until killed, and print the number of each once its end is committed."""
    for i in range(int(first), int(first) + SESSIONS):
        notices = [example_notice(f"{i}-{share.client_id}", client_id=share.client_id) for share in _session(i).rp_sessions]
        store.commit([EndOpSession(_session(i), notices), PutEphemeral(EphemeralRecord("ended", f"{i}", NOW + 10))])
        print(i, flush=True)


if __name__ == "__main__":
    roles = {"contend": _contend, "end": _end_one_after_the_other}
    roles[sys.argv[1]](open_store(sys.argv[2]), sys.argv[3])

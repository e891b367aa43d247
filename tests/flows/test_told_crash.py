"""A server that is killed in the middle of logouts, alone or beside another one: every RP of every session that ended is told."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp
from tests.flows.machines.engine import running_engine
from tests.flows.machines.told_crash import RPS, NotifyStatus, ToldRun

SEED = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**6)))
RUNS = [("sqlite", 1), ("postgresql", 2), ("redis", 2)]
"""Alone, the server delivers what it left when it is back; of two, the other one does. `make crash-told` does both on each engine."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, keys_file: str) -> Iterator[Mapping[tuple[str, int], Future[NotifyStatus]]]:
    """All of them side by side, since each waits for the lease of a killed server to run out."""
    folder = tmp_path_factory.mktemp("told")
    print(f"CRASH_SEED={SEED}")
    with serving_fault_rp() as faulty, ThreadPoolExecutor(len(RUNS)) as threads:
        yield {run: threads.submit(outcome_of, *run, folder, keys_file, faulty) for run in RUNS}


def outcome_of(name: str, servers: int, folder: Path, keys_file: str, faulty: FaultRpProcess) -> NotifyStatus:
    own = folder / f"{name}-{servers}"
    own.mkdir()
    with running_engine(name, own) as engine:
        run = ToldRun(own, engine.url, keys_file, faulty, random.Random(SEED), name=name, servers=servers)
        return run.until(logouts=5, logouts_per_kill=5)


@pytest.mark.spec("BC-35", "BC-36", "P2")
@pytest.mark.parametrize(("name", "servers"), RUNS)
def test_after_a_kill_each_rp_of_each_ended_session_is_told_at_least_once_with_a_fresh_token_each_time(
    runs: Mapping[tuple[str, int], Future[NotifyStatus]], name: str, servers: int
) -> None:
    outcome = runs[name, servers].result()

    print(outcome)
    assert outcome.broken == []
    assert outcome.kills >= 1
    assert outcome.tried >= outcome.ended >= outcome.acknowledged >= 1
    assert outcome.rp_sessions == RPS * outcome.ended

"""A server that is killed in the middle of logouts leaves every session whole, or ended with all that belongs to it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.flows.machines.crash import CrashRun
from tests.flows.machines.engine import NAMES, running_engine

SEED = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**6)))


@pytest.mark.spec("RI-50", "SID-10", "SID-11")
@pytest.mark.parametrize("name", NAMES)
def test_after_a_kill_of_the_server_every_session_is_whole_or_ended_with_its_tokens_and_with_its_notices_recorded(
    name: str, tmp_path: Path, keys_file: str
) -> None:
    print(f"CRASH_SEED={SEED}")

    with running_engine(name, tmp_path) as engine:
        outcome = CrashRun(tmp_path, engine.url, keys_file, random.Random(SEED)).until(logouts=8, logouts_per_kill=8)

    print(outcome)
    assert outcome.broken == []
    assert outcome.kills >= 1
    assert outcome.ended >= outcome.acknowledged >= outcome.kills
    assert outcome.tried == outcome.ended + outcome.whole

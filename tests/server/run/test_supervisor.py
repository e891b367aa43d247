"""The supervisor alone, with workers that do as they are told: what it passes on, what it puts up with, when it gives up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.machines.running_op import ROOT

SCRIPT = """
import logging, os, signal, socket, sys, time
from pathlib import Path
from oic_session_ext.errors import ConfigError, SessionExtError, StoreUnavailable
from oic_session_ext.server.run import supervisor

logging.basicConfig(level="INFO", stream=sys.stdout)
supervisor._FIRST_PAUSE_S, supervisor._LONGEST_PAUSE_S = 0.01, 0.02
folder = Path(sys.argv[1])

def work(when_ready):
    if (folder / "config").exists():
        raise ConfigError("keys", "is no good any more")
    if (folder / "store").exists():
        raise StoreUnavailable("the store is away")
    if (folder / "crash").exists():
        os._exit(7)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    (folder / f"worker {os.getpid()}").touch()
    when_ready()
    while signal.sigwait({signal.SIGTERM, signal.SIGHUP}) == signal.SIGHUP:
        (folder / f"hung up {os.getpid()}").touch()
    if (folder / f"stuck {os.getpid()}").exists():
        time.sleep(60)

listening = socket.create_server(("127.0.0.1", 0))
try:
    supervisor.Supervisor(work, 2, listening, when_ready=lambda: print("all serve", flush=True), stop_within_s=2).run()
except SessionExtError as err:
    sys.exit(f"{type(err).__name__}: {err}")
"""


class Supervised:
    """A supervisor in a process of its own; `says` is what it printed, on whatever stream."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "log"
        with self._file.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=log, stderr=log, cwd=ROOT)

    @property
    def says(self) -> str:
        return self._file.read_text()

    def workers(self) -> set[int]:
        return {int(file.name.split()[1]) for file in self.folder.glob("worker *")}

    def wait_for(self, what: str | Callable[[], object]) -> None:
        give_up_at = time.monotonic() + 60
        while not (what in self.says if isinstance(what, str) else what()):
            assert time.monotonic() < give_up_at, self.says
            time.sleep(0.02)

    def kill_workers(self) -> None:
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)
            (self.folder / f"worker {pid}").unlink()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    supervised = Supervised(tmp_path)
    supervised.wait_for("all serve")
    yield supervised
    supervised.process.kill()
    supervised.process.wait()


def test_a_hangup_is_passed_on_to_every_worker(supervised: Supervised) -> None:
    supervised.process.send_signal(signal.SIGHUP)

    supervised.wait_for(lambda: all((supervised.folder / f"hung up {pid}").exists() for pid in supervised.workers()))
    assert supervised.process.poll() is None


def test_a_worker_that_does_not_stop_in_time_is_killed(supervised: Supervised) -> None:
    stuck, other = supervised.workers()
    (supervised.folder / f"stuck {stuck}").touch()

    supervised.process.send_signal(signal.SIGTERM)

    assert supervised.process.wait(60) == 0
    assert f"worker {stuck} does not stop" in supervised.says
    assert f"worker {other} does not stop" not in supervised.says


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param("config", "keys: is no good any more", id="a setting"),
        pytest.param("crash", "a worker ended while it started (exit code 7)", id="a crash"),
    ],
)
def test_when_none_serves_and_none_can_be_started_it_gives_up_and_says_why(supervised: Supervised, fault: str, reason: str) -> None:
    (supervised.folder / fault).touch()
    supervised.kill_workers()

    assert supervised.process.wait(60) == 1
    assert supervised.says.splitlines()[-1] == f"NoWorkerStarts: no worker serves and none can be started: {reason}"
    assert "Traceback" not in supervised.says


def test_while_one_serves_it_does_not_give_up(supervised: Supervised) -> None:
    (supervised.folder / "crash").touch()
    survivor = supervised.workers().pop()
    (supervised.folder / f"worker {survivor}").unlink()
    supervised.kill_workers()

    supervised.wait_for(lambda: supervised.says.count("a worker cannot start") > 8)
    (supervised.folder / "crash").unlink()
    supervised.wait_for(lambda: len(supervised.workers()) == 1)
    assert supervised.process.poll() is None


def test_for_a_store_that_is_away_it_waits_as_long_as_it_takes(supervised: Supervised) -> None:
    (supervised.folder / "store").touch()
    supervised.kill_workers()

    supervised.wait_for(lambda: supervised.says.count("the store is away") > 8)
    (supervised.folder / "store").unlink()
    supervised.wait_for(lambda: len(supervised.workers()) == 2)
    assert supervised.process.poll() is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("config", "ConfigError: keys: is no good any more", id="a setting"),
        pytest.param("store", "StoreUnavailable: the store is away", id="the store"),
        pytest.param("crash", "NoWorkerStarts: a worker ended while it started (exit code 7)", id="a crash"),
    ],
)
def test_a_first_start_that_fails_is_not_tried_again(tmp_path: Path, fault: str, said: str) -> None:
    (tmp_path / fault).touch()

    supervised = Supervised(tmp_path)

    assert supervised.process.wait(60) == 1
    assert supervised.says.splitlines() == [said]

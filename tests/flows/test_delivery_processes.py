"""Notices outlive the process that recorded them: servers that are killed, and a process that does nothing but deliver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bundled_op import CLIENTS
from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp
from tests.flows.machines.running_op import ROOT, RunningOp

WAIT_S = 60


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultRpProcess]:
    with serving_fault_rp() as rp:
        yield rp


@pytest.fixture
def make_op(faulty: FaultRpProcess, tmp_path: Path) -> Iterator[Callable[..., RunningOp]]:
    """Makes a server of which the client `web` has the back channel of an RP with a fault."""
    made: list[RunningOp] = []

    def make(fault: str, **backchannel: Any) -> RunningOp:
        faulty.forget()
        clients = [CLIENTS[0] | {"backchannel_logout_uri": faulty.uri(fault)}, *CLIENTS[1:]]
        settings = {"allow_networks": ["127.0.0.0/8"], "first_pause": "1s", "max_pause": "1s", "lease": "10s"} | backchannel
        op = RunningOp(tmp_path, clients=clients, logout={"backchannel": settings})
        made.append(op)
        return op

    yield make
    for op in made:
        op.close()


def until(is_so: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def sign_in_and_out(op: RunningOp) -> None:
    browser = op.browser()
    tokens = browser.sign_in("web")
    assert browser.end_session(id_token_hint=tokens["id_token"]).status in (200, 303)


@pytest.mark.spec("BC-30", "BC-31", "BC-02", "BC-36", "BC-08")
def test_a_logout_tells_the_rp_before_the_browser_goes_on(make_op: Callable[..., RunningOp], faulty: FaultRpProcess) -> None:
    op = make_op("ok")
    op.start()

    sign_in_and_out(op)

    [request] = faulty.received()
    assert (request["method"], request["content_type"]) == ("POST", "application/x-www-form-urlencoded")
    assert request["parameters"] == ["logout_token"]
    assert (request["typ"], request["alg"], request["aud"]) == ("logout+jwt", "RS256", "web")
    assert request["exp"] - request["iat"] == 120


@pytest.mark.spec("BC-34", "BC-35")
def test_a_server_that_is_killed_loses_no_notice(make_op: Callable[..., RunningOp], faulty: FaultRpProcess) -> None:
    op = make_op("hang", timeout="1s", lease="6s")
    op.start()
    sign_in_and_out(op)
    until(lambda: faulty.received("hang"))
    op.kill()
    faulty.change("hang", "ok")

    op.start()

    until(lambda: len(faulty.received("hang")) == 2)
    first, second = faulty.received("hang")
    assert first["sid"] == second["sid"]
    assert first["jti"] != second["jti"]


def test_a_process_of_its_own_delivers_what_servers_leave_to_it(
    make_op: Callable[..., RunningOp], faulty: FaultRpProcess, tmp_path: Path
) -> None:
    op = make_op("ok", deliver="elsewhere")
    op.start()
    sign_in_and_out(op)
    told_by_the_server = faulty.received()

    command = [sys.executable, "-m", "oic_session_ext.cli", "deliver", str(tmp_path / "op.yaml")]
    with (tmp_path / "deliver.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        until(faulty.received)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()

    assert told_by_the_server == []
    assert len(faulty.received()) == 1
    log_text = (tmp_path / "deliver.log").read_text()
    assert "delivering logout notices" in log_text
    assert "Traceback" not in log_text


def test_a_store_that_no_two_processes_share_cannot_be_delivered_from(tmp_path: Path) -> None:
    RunningOp(tmp_path, store="memory:")

    command = [sys.executable, "-m", "oic_session_ext.cli", "deliver", str(tmp_path / "op.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=WAIT_S, check=False)

    assert done.returncode == 2
    assert "store" in done.stderr

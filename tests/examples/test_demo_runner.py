"""`examples/demo.py`: it starts all, says where, and leaves nothing running, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from examples.demo import PEOPLE, plan
from tests.examples.demo_config import ROOT, DemoConfig, write_demo_config
from tests.examples.rp_process import wait_until_it_answers

ENDS_WITHIN_S = 40  # a busy machine is slow, not wrong


@pytest.fixture
def config(tmp_path: Path) -> DemoConfig:
    """The demo's settings on free ports, with the first two RPs: enough to begin and to end."""
    return write_demo_config(tmp_path, rps=2)


@pytest.fixture
def whole(tmp_path: Path) -> DemoConfig:
    """The demo's settings on free ports, with all RPs."""
    return write_demo_config(tmp_path)


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[[DemoConfig], subprocess.Popen[str]]]:
    """Starts the demo as a person would."""
    started: list[subprocess.Popen[str]] = []

    def start(config: DemoConfig) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "examples" / "demo.py"), "--config", str(config.file), "--log-dir", str(tmp_path / "log")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start

    for process in started:
        with process:  # closes its pipes
            process.terminate()
            process.wait(ENDS_WITHIN_S)


def listens(address: str) -> bool:
    """Whether anybody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(address).port or 80)) == 0


def expect_nothing_listens(config: DemoConfig) -> None:
    """The OP and all RPs are gone."""
    assert not any(listens(address) for address in config.addresses)


def first_lines(process: subprocess.Popen[str]) -> str:
    """What the demo prints when all parts answer."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            return "".join(lines)
    raise AssertionError(f"the demo ended: {process.stderr and process.stderr.read()}")


def pid_listening_on(address: str) -> int:
    """The process that serves an address, by the inode of its listening socket."""
    port = f"{urlsplit(address).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(row[9] for row in rows if row[1].endswith(":" + port) and row[3] == "0A")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError(f"nobody listens at {address}")


def test_the_demo_prints_the_addresses_and_the_user_when_all_parts_answer(
    start_demo: Callable[[DemoConfig], subprocess.Popen[str]], whole: DemoConfig
) -> None:
    printed = first_lines(start_demo(whole))

    assert all(address in printed for address in whole.addresses)
    assert "alice with the password wonderland" in printed
    wait_until_it_answers(whole.op + "/health/ready")
    for address in whole.addresses[1:]:
        wait_until_it_answers(address)


@pytest.mark.parametrize(
    ("rp", "note"),
    [
        ("rp_a", "its page watches the OP session"),
        ("rp_c", "told by the back channel"),
        ("rp_d", "told by the front channel"),
        ("rp_e", "its back channel is down"),
    ],
)
def test_the_demo_says_how_each_rp_learns_of_a_logout(whole: DemoConfig, rp: str, note: str) -> None:
    (part,) = [part for part in plan(whole.file, 2000) if part.address == getattr(whole, rp)]

    assert part.note == note


def test_the_demo_says_how_the_rp_that_is_down_is_repaired(whole: DemoConfig) -> None:
    gateway = plan(whole.file, 2000)[-1]

    assert gateway.address == whole.gateway
    assert f"curl -X POST '{whole.gateway}/control?path=/fault/503&as=ok'" in gateway.note


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_parts_and_the_exit_code_is_0(
    start_demo: Callable[[DemoConfig], subprocess.Popen[str]], config: DemoConfig, number: signal.Signals
) -> None:
    process = start_demo(config)
    first_lines(process)
    process.send_signal(number)

    assert process.wait(ENDS_WITHIN_S) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    expect_nothing_listens(config)


def test_an_impatient_second_signal_leaves_nothing_running_either(
    start_demo: Callable[[DemoConfig], subprocess.Popen[str]], config: DemoConfig
) -> None:
    process = start_demo(config)
    first_lines(process)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)

    assert process.returncode == 0
    expect_nothing_listens(config)


def test_a_signal_during_the_start_ends_all_parts_too(
    start_demo: Callable[[DemoConfig], subprocess.Popen[str]], config: DemoConfig
) -> None:
    process = start_demo(config)
    wait_until_it_answers(config.rp_a)
    process.send_signal(signal.SIGTERM)

    assert process.wait(ENDS_WITHIN_S) == 0
    expect_nothing_listens(config)


@pytest.mark.parametrize("part", ["op", "rp_b"])
def test_a_part_that_dies_ends_the_demo_which_says_so(
    start_demo: Callable[[DemoConfig], subprocess.Popen[str]], config: DemoConfig, part: str
) -> None:
    process = start_demo(config)
    first_lines(process)
    os.kill(pid_listening_on(getattr(config, part)), signal.SIGKILL)

    assert process.wait(ENDS_WITHIN_S) == 1
    assert process.stderr is not None
    assert "ended by itself (exit code -9)" in process.stderr.read()
    expect_nothing_listens(config)


@pytest.mark.parametrize("part", ["op", "rp_b"])
def test_a_port_in_use_is_one_clear_line_and_nothing_is_started(
    start_demo: Callable[[DemoConfig], subprocess.Popen[str]], config: DemoConfig, part: str, tmp_path: Path
) -> None:
    port = urlsplit(getattr(config, part)).port
    with socket.create_server(("127.0.0.1", port or 80)):
        process = start_demo(config)
        _, complaint = process.communicate(timeout=ENDS_WITHIN_S)

    assert process.returncode == 1
    assert complaint.count("\n") == 1
    assert f"Port {port}" in complaint
    assert not (tmp_path / "log").exists()


def test_a_bad_settings_file_is_told_like_everywhere(start_demo: Callable[[DemoConfig], subprocess.Popen[str]], config: DemoConfig) -> None:
    config.file.write_text(config.file.read_text() + "\ncolour: blue\n")
    process = start_demo(config)
    _, complaint = process.communicate(timeout=ENDS_WITHIN_S)

    assert process.returncode == 2
    assert "colour" in complaint


def test_the_people_that_the_demo_names_can_sign_in() -> None:
    text = (ROOT / "conf" / "demo.yaml").read_text()

    assert all(f"username: {name}" in text and f"password: {password}" in text for name, password in PEOPLE)

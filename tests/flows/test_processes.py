"""`listen.processes`: several processes on one address are one server, whatever dies among them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bundled_op import OUT_URIS, SECRETS, basic
from tests.flows.machines.running_op import RunningOp, read_all
from tests.flows.test_tls import RunningTlsOp

WORKERS = 2


def with_processes(op: RunningOp, count: int = WORKERS) -> RunningOp:
    op.configure(listen=op.settings["listen"] | {"processes": count})
    return op


def workers_of(op: RunningOp) -> set[int]:
    assert op.process is not None
    return {int(pid) for pid in Path(f"/proc/{op.process.pid}/task/{op.process.pid}/children").read_text().split()}


def wait_until(is_so: Callable[[], object], why: str) -> None:
    give_up_at = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < give_up_at, why
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, keys_file: str) -> Iterator[RunningOp]:
    """A server of two processes; a test that ends it starts it again."""
    op = with_processes(RunningOp(tmp_path_factory.mktemp("several"), keys=keys_file))
    op.start()
    yield op
    op.close()


def test_it_says_once_that_it_serves_when_all_of_its_processes_do(several: RunningOp) -> None:
    assert len(workers_of(several)) == WORKERS
    assert several.log.count("serving http") == 1
    assert f"{WORKERS} processes" in several.log


def test_whichever_process_takes_a_request_it_is_the_same_op(several: RunningOp) -> None:
    browser = several.browser()
    tokens = browser.sign_in("web")

    assert all(browser.is_signed_in("spa") for _ in range(6))
    assert browser.userinfo(tokens["access_token"]).status == 200
    browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])
    assert not any(browser.is_signed_in("web") for _ in range(6))


def test_each_process_takes_requests(several: RunningOp) -> None:
    """Each has connections that are kept open, so that both must have taken some."""
    taken: set[int] = set()

    def both_have_some() -> bool:
        connection = several.connect()
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(65536)
        connections.append(connection)
        taken.update(pid for pid in workers_of(several) if sockets_of(pid, several.port))
        return taken == workers_of(several)

    connections: list[object] = []
    wait_until(both_have_some, "one process takes everything")
    for connection in connections:
        connection.close()  # type: ignore[attr-defined]


def sockets_of(pid: int, port: int) -> int:
    """How many established connections to a port this process has."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
        except FileNotFoundError:
            continue
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "01" and line[9] in inodes for line in lines)


def test_a_process_that_is_killed_is_started_again_and_nobody_is_signed_out(several: RunningOp) -> None:
    browser = several.browser()
    browser.sign_in("web")
    before = workers_of(several)
    killed = min(before)

    os.kill(killed, signal.SIGKILL)

    assert all(browser.is_signed_in("web") for _ in range(6))
    wait_until(lambda: len(workers_of(several)) == WORKERS and killed not in workers_of(several), several.log)
    assert "signal 9" in several.log
    assert browser.is_signed_in("web")


def test_when_all_processes_are_killed_who_comes_meanwhile_is_answered_by_the_next(several: RunningOp) -> None:
    browser = several.browser()
    browser.sign_in("web")
    for pid in workers_of(several):
        os.kill(pid, signal.SIGKILL)

    wait_until(lambda: "code" in browser.renew("web").query, several.log)


def test_when_the_supervisor_is_killed_no_process_is_left(several: RunningOp) -> None:
    workers = workers_of(several)
    browser = several.browser()
    browser.sign_in("web")

    several.kill()

    wait_until(lambda: not any(is_alive(pid) for pid in workers), "a worker is left")
    several.start()
    assert browser.is_signed_in("web")


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT], ids=lambda order: order.name)
def test_a_request_under_way_is_finished_when_it_is_told_to_stop(several: RunningOp, order: signal.Signals) -> None:
    browser = several.browser()
    code = browser.enter(browser.login_page()).query["code"]
    body = f"grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fweb.example.com%2Fcb"
    head = (
        f"POST /token HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic('web', SECRETS['web'])}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    assert several.process is not None
    workers = workers_of(several)

    with several.connect() as connection:
        connection.sendall((head + body[:10]).encode())
        wait_until(lambda: any(sockets_of(pid, several.port) for pid in workers), "nobody takes the request")
        several.process.send_signal(order)
        wait_until(lambda: sum(is_alive(pid) for pid in workers) <= 1, "the idle process does not stop")
        connection.sendall(body[10:].encode())
        answer = read_all(connection)

    assert b"200 OK" in answer.partition(b"\r\n")[0]
    assert several.process.wait(30) == 0
    assert not any(is_alive(pid) for pid in workers)
    assert "Traceback" not in several.log
    several.start()


def test_it_serves_over_tls(tmp_path: Path, keys_file: str) -> None:
    op = with_processes(RunningTlsOp(tmp_path))
    op.configure(keys=keys_file)
    op.start()
    try:
        browser = op.browser()
        tokens = browser.sign_in()
        assert all(browser.is_signed_in() for _ in range(4))
        browser.end_session(id_token_hint=tokens["id_token"])
        assert not any(browser.is_signed_in() for _ in range(4))
    finally:
        op.close()


def test_what_keeps_it_from_starting_is_told_once_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "op.sqlite").write_bytes(b"not a database, " * 1000)
    op = with_processes(RunningOp(tmp_path))

    op.launch()
    assert op.process is not None

    assert op.process.wait(60) in (1, 2)
    assert len(op.log.splitlines()) == 1
    assert "Traceback" not in op.log


@pytest.mark.parametrize("count", [1, WORKERS])
def test_told_to_stop_while_it_starts_it_ends_without_a_traceback(tmp_path: Path, keys_file: str, count: int) -> None:
    op = with_processes(RunningOp(tmp_path, keys=keys_file), count)
    for delay_s in (0.0, 0.1, 0.3):  # after the store's file is there: at several points of the start
        op.launch()
        wait_until((tmp_path / "op.sqlite").exists, op.log)
        time.sleep(delay_s)

        assert op.stop() in (0, -signal.SIGTERM)

    assert "Traceback" not in op.log

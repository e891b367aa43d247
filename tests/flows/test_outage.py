"""The store goes away under load and comes back, seen at the bundled server: 503 meanwhile, and nothing that was promised is lost."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oic_session_ext.store import open_store
from tests.bundled_op import OUT_URIS, OpBrowser
from tests.flows.machines.engine import running_engine
from tests.flows.machines.outage import SERVERS, OutageRun
from tests.flows.machines.running_op import RunningOp
from tests.wsgi_browser import Answer


@pytest.fixture(params=SERVERS)
def run(request: pytest.FixtureRequest, tmp_path: Path, keys_file: str) -> Iterator[OutageRun]:
    """A server on an engine that can be taken away."""
    with running_engine(request.param, tmp_path) as engine, OutageRun(tmp_path, engine, keys_file) as run:
        yield run


@pytest.mark.spec("RI-50", "SID-11")
def test_a_store_that_ends_under_load_costs_nothing_but_503_and_no_logout_that_was_answered(run: OutageRun) -> None:
    outcome = run.through(outages=1)

    print(outcome)
    assert outcome.broken == []
    assert outcome.outages == 1
    assert outcome.answers[503] > 0
    assert outcome.logouts != []


@pytest.mark.parametrize("run", ["redis"], indirect=True)  # PostgreSQL, which is waited for ten seconds, by `make outage`
def test_a_store_that_has_frozen_is_refused_in_time_and_leaves_no_connection_in_use(run: OutageRun) -> None:
    took_s = run.frozen(requests=6)

    assert run.outcome.broken == []
    assert run.outcome.answers[503] >= 6
    assert took_s < 30


# -- SQLite -----------------------------------------------------------------------------------------------------------


MOUNT, UMOUNT = "/usr/bin/mount", "/usr/bin/umount"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own; where nothing can be mounted the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.getuid() != 0 or subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("nothing can be mounted here; it takes root")
    yield folder
    subprocess.run([UMOUNT, "--lazy", folder], check=True)


@contextlib.contextmanager
def running_on(disk: Path, folder: Path, keys_file: str) -> Iterator[RunningOp]:
    """A server whose store alone is on the disk."""
    op = RunningOp(folder, store=f"sqlite:///{disk / 'op.sqlite'}", keys=keys_file, secrets={"file": str(folder / "secrets")})
    op.start()
    try:
        yield op
    finally:
        op.close()


def test_files_that_may_not_grow_are_answered_503_until_they_may(tmp_path: Path, keys_file: str) -> None:
    with running_on(tmp_path, tmp_path, keys_file) as op:
        browser, tokens = signed_in(op)
        assert op.process is not None
        pid, size = op.process.pid, (tmp_path / "op.sqlite-wal").stat().st_size

        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        assert_unavailable_but_read(op, browser, tokens)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        assert_resumed(op, browser, tokens)


def test_a_disk_that_is_full_is_answered_503_until_there_is_room_again(disk: Path, tmp_path: Path, keys_file: str) -> None:
    with running_on(disk, tmp_path, keys_file) as op:
        browser, tokens = signed_in(op)

        fill(disk)
        for _ in range(20):  # whatever room the database's own log had left is used up
            op.browser().get("/login")
        assert_unavailable_but_read(op, browser, tokens)
        (disk / "filler").unlink()

        assert_resumed(op, browser, tokens)


def test_a_disk_that_is_read_only_is_told_in_one_line_at_the_start(disk: Path, tmp_path: Path, keys_file: str) -> None:
    open_store(f"sqlite:///{disk / 'op.sqlite'}").close()
    subprocess.run([MOUNT, "-o", "remount,ro", disk], check=True)

    with pytest.raises(AssertionError, match="the server ended"), running_on(disk, tmp_path, keys_file):
        pass

    log = (tmp_path / "log").read_text()
    assert "store:" in log.splitlines()[-1]
    assert "Read-only file system" in log.splitlines()[-1]
    assert "Traceback" not in log


def fill(disk: Path) -> None:
    """Take all the room that is left."""
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


def signed_in(op: RunningOp) -> tuple[OpBrowser, dict[str, str]]:
    browser = op.browser()
    return browser, browser.sign_in()


def log_out(browser: OpBrowser, tokens: dict[str, str]) -> Answer:
    return browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])


def sign_in_of_another(op: RunningOp) -> Answer:
    """Sign another user in; the page itself needs no store."""
    browser = op.browser()
    page = browser.get("/login")
    assert page.status == 200
    return browser.enter(page, "bob")


def assert_unavailable_but_read(op: RunningOp, browser: OpBrowser, tokens: dict[str, str]) -> None:
    for answer in (log_out(browser, tokens), browser.renew(), sign_in_of_another(op), browser.get("/health/ready")):
        assert answer.status == 503
        assert "Traceback" not in answer.text
    assert browser.get("/health/live").status == 200
    assert browser.userinfo(tokens["access_token"]).status == 200
    assert "Traceback" not in op.log


def assert_resumed(op: RunningOp, browser: OpBrowser, tokens: dict[str, str]) -> None:
    assert browser.get("/health/ready").status == 200
    assert browser.is_signed_in()
    assert log_out(browser, tokens).location == OUT_URIS["web"]
    assert not browser.is_signed_in()
    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"
    assert "Traceback" not in op.log

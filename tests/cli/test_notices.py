"""`notices`: what it prints, what it changes, and its exit codes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oic_session_ext.cli import main
from oic_session_ext.model import NEEDS_BROWSER, Channel, NoticeState
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import EndOpSession, PutOpSession
from oic_session_ext.testing.examples import example_notice, example_op_session

SETTINGS = """
issuer: http://localhost:8080
store: sqlite:///op.sqlite
users:
  - username: alice
    password_hash: $argon2id$v=19$m=65536,t=3,p=4$vNQXOrVnjI8Us5NMAehSOw$ipMaAAF3MzYPWwNbqMKDLkV9T05bDViKUoaXnIKs1So
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "op.yaml").write_text(SETTINGS, "utf-8")
    return str(tmp_path / "op.yaml")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    yield store
    store.close()


def put(store: Store, name: str, **fields: Any) -> None:
    store.commit([PutOpSession(example_op_session(name)), EndOpSession(example_op_session(name), [example_notice(name, **fields)])])


def put_three(store: Store) -> None:
    """One that is pending, one that is undeliverable, one that needs a browser."""
    later = int(time.time()) + 86400
    put(store, "pending", due_at=later, attempts=1, problem="http_503")
    put(store, "failed", state=NoticeState.UNDELIVERABLE, due_at=later + 1, attempts=40, problem="timeout")
    put(
        store, "front", state=NoticeState.UNDELIVERABLE, due_at=later + 2, problem=NEEDS_BROWSER, channel=Channel.FRONTCHANNEL,
        client_id="rp-b",
    )  # fmt: skip


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["notices", *arguments])


def ids(result: Result) -> list[str]:
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_notices_are_listed_by_when_they_are_due(config: str, store: Store) -> None:
    put_three(store)

    result = run("list", config)

    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["notice-pending", "notice-failed", "notice-front"]
    assert "40 attempts" in result.stdout
    assert "timeout" in result.stdout


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "pending"], ["notice-pending"]),
        (["--state", "undeliverable"], ["notice-failed", "notice-front"]),
        (["--client", "rp-b"], ["notice-front"]),
        (["--client", "rp-b", "--state", "pending"], []),
        (["--limit", "1"], ["notice-pending"]),
    ],
)
def test_a_list_holds_what_meets_every_option(config: str, store: Store, options: list[str], found: list[str]) -> None:
    put_three(store)

    assert ids(run("list", config, "--json", *options)) == found


def test_one_notice_is_shown_with_all_that_is_known_of_it(config: str, store: Store) -> None:
    put_three(store)

    facts = json.loads(run("show", config, "notice-failed", "--json").stdout)

    assert set(facts) == {
        "id", "state", "channel", "client_id", "user", "sub", "sid", "reason", "ended_at", "kept_until_at", "attempts", "problem",
    }  # fmt: skip
    assert "problem: timeout" in run("show", config, "notice-failed").stdout


def test_a_notice_that_is_not_there_is_told_with_exit_code_1(config: str, store: Store) -> None:
    assert run("show", config, "notice-none").exit_code == 1


def test_an_undeliverable_notice_is_due_at_once_as_if_it_had_never_been_tried(config: str, store: Store) -> None:
    put_three(store)

    result = run("resend", config, "notice-failed")

    notice = store.notice("notice-failed")
    assert result.exit_code == 0
    assert notice is not None
    assert (notice.state, notice.attempts, notice.problem) == (NoticeState.PENDING, 0, "")
    assert notice.due_at <= time.time()


def test_what_needs_a_browser_is_not_sent_and_that_is_said(config: str, store: Store) -> None:
    put_three(store)

    result = run("resend", config, "--all")

    assert result.exit_code == 0
    assert "1 notice will be sent again" in result.stderr
    assert "1 notice cannot be sent: they need the user's browser" in result.stderr
    front = store.notice("notice-front")
    assert front is not None
    assert front.state is NoticeState.UNDELIVERABLE


@pytest.mark.parametrize("notice_id", ["notice-front", "notice-pending", "notice-none"])
def test_an_id_that_names_nothing_to_send_is_told_with_exit_code_1(config: str, store: Store, notice_id: str) -> None:
    put_three(store)

    assert run("resend", config, notice_id).exit_code == 1


def test_a_dry_run_changes_nothing(config: str, store: Store) -> None:
    put_three(store)
    before = store.notices(10)

    run("resend", config, "--all", "--dry-run")
    run("drop", config, "--all", "--dry-run")

    assert store.notices(10) == before


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["notice-pending", "notice-none"], ["notice-failed", "notice-front"]),
        (["--client", "rp-b"], ["notice-pending", "notice-failed"]),
        (["--state", "undeliverable"], ["notice-pending"]),
        (["--all"], []),
    ],
)
def test_what_is_dropped_is_gone(config: str, store: Store, options: list[str], left: list[str]) -> None:
    put_three(store)

    assert run("drop", config, *options).exit_code == 0

    assert [notice.id for notice in store.notices(10)] == left


@pytest.mark.parametrize("command", ["resend", "drop"])
def test_nothing_is_done_to_all_notices_by_accident(config: str, store: Store, command: str) -> None:
    put_three(store)

    assert run(command, config).exit_code == 2

    assert len(store.notices(10)) == 3


def test_a_hostile_client_id_cannot_write_to_the_terminal(config: str, store: Store) -> None:
    put(store, "x", client_id="rp\x1b[2Jx")

    assert "\x1b" not in run("list", config).stdout + run("show", config, "notice-x").stdout

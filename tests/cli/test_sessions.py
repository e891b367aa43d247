"""`sessions`: what it prints and what it never prints, what it asks, and its exit codes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from oic_session_ext.cli import main
from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.events import Event, SessionEnded
from oic_session_ext.model import Reason
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import PutOpSession
from oic_session_ext.testing.examples import example_op_session, example_rp_session

HEAD = """
issuer: http://localhost:8080
store: {store}
clients:
  - client_id: rp-a
    client_secret: secret-of-rp-a
    redirect_uris: [https://rp-a.example.com/cb]
    backchannel_logout_uri: https://rp-a.example.com/bc
  - client_id: rp-b
    client_secret: secret-of-rp-b
    redirect_uris: [https://rp-b.example.com/cb]
users:
  - username: alice
    password_hash: $argon2id$v=19$m=65536,t=3,p=4$vNQXOrVnjI8Us5NMAehSOw$ipMaAAF3MzYPWwNbqMKDLkV9T05bDViKUoaXnIKs1So
"""
SECRETS = ("cookie-", "state-", "seed-", "secret-of")


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "op.yaml"
    file.write_text(HEAD.format(store="sqlite:///op.sqlite"), "utf-8")
    return str(file)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    yield store
    store.close()


def begin(store: Store, name: str = "one", *, age: int = 0, clients: tuple[str, ...] = ("rp-a", "rp-b"), **fields: object) -> None:
    now = int(time.time()) - age
    times = {"created_at": now, "auth_time": now, "last_active_at": now, "idle_expires_at": now + 9000, "expires_at": now + 90000}
    shares = tuple(example_rp_session(name, client) for client in clients)
    store.commit([PutOpSession(example_op_session(name, **times | {"rp_sessions": shares} | fields))])


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["sessions", *arguments], input=stdin)


def left(store: Store) -> list[str]:
    return [session.id for session in store.list_op_sessions(limit=10)]


def test_list_prints_a_line_per_session(config: str, store: Store) -> None:
    begin(store, "old", age=60)
    begin(store, "new", uid="bob", clients=())

    result = run("list", config)

    assert result.exit_code == 0, result.output
    old, new = [line.split("\t") for line in result.stdout.splitlines()]
    assert (old[0], old[1], old[5]) == ("id-old", "alice", "rp-a, rp-b")
    assert [cell.split(" ")[0] for cell in old[2:5]] == ["since", "active", "expires"]
    assert (new[0], new[1], new[5]) == ("id-new", "bob", "no clients")


@pytest.mark.parametrize(
    ("options", "found"),
    [(["--user", "bob"], ["id-bob"]), (["--client", "rp-b"], ["id-old"]), (["--older-than", "1h"], ["id-old"]), (["--user", ""], [])],
    ids=["user", "client", "age", "nobody"],
)
def test_list_is_narrowed(config: str, store: Store, options: list[str], found: list[str]) -> None:
    begin(store, "old", age=3700)
    begin(store, "bob", uid="bob", clients=("rp-a",))

    assert [json.loads(line)["id"] for line in run("list", config, "--json", *options).stdout.splitlines()] == found


def test_list_says_when_there_are_more(config: str, store: Store) -> None:
    begin(store, "one", age=2)
    begin(store, "two", age=1)

    cut, whole = run("list", config, "--limit", "1"), run("list", config, "--limit", "2")

    assert (len(cut.stdout.splitlines()), "more than 1" in cut.stderr) == (1, True)
    assert (len(whole.stdout.splitlines()), whole.stderr) == (2, "")


def test_list_tells_a_session_that_is_over_and_not_swept_yet(config: str, store: Store) -> None:
    begin(store, age=9001)

    assert "expired 20" in run("list", config).stdout


@pytest.mark.parametrize("which", [["id-one"], ["--sid", "sid-one-rp-b"]], ids=["id", "sid"])
def test_show_prints_the_session_its_shares_and_who_would_be_told(config: str, store: Store, which: list[str]) -> None:
    begin(store)

    result = run("show", config, *which)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert {"id: id-one", "user: alice", "is_live: yes", "client rp-a", "  sid: sid-one-rp-b", "  sub: alice-at-rp-a"} <= set(lines)
    assert [line for line in lines if "notified by" in line] == ["  notified by: backchannel", "  notified by: no channel"]


@pytest.mark.parametrize("command", [["list"], ["show", "id-one"], ["end", "--id", "id-one", "--dry-run"]], ids=lambda words: words[0])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_no_secret_is_printed(config: str, store: Store, command: list[str], form: list[str]) -> None:
    begin(store)

    result = run(command[0], config, *command[1:], *form)

    assert "id-one" in result.stdout
    assert not any(secret in result.output for secret in SECRETS)


@pytest.mark.parametrize("command", [["list"], ["show", "id-one"], ["end", "--id", "id-one", "--dry-run"]], ids=lambda words: words[0])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_nothing_in_a_user_name_reaches_the_terminal_but_as_text(config: str, store: Store, command: list[str], form: list[str]) -> None:
    name = "eve\x1b[2J\r\n\t\x07\x7f\x9b31m\u202e\u2028"
    begin(store, uid=name)

    printed = run(command[0], config, *command[1:], *form).stdout

    assert "eve\\" in printed
    assert not set(printed) & (set(name) - set("eve[2J31m\n\t"))
    if form:
        assert json.loads(printed)["user"] == name
    elif command[0] != "show":
        assert len(printed.splitlines()) == 1


@pytest.mark.parametrize("which", [["id-none"], ["--sid", "sid-none"]], ids=["id", "sid"])
def test_show_of_an_unknown_session_ends_with_1(config: str, which: list[str]) -> None:
    result = run("show", config, *which)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "the session does not exist" in result.stderr


@pytest.mark.parametrize("which", [[], ["id-one", "--sid", "sid"]], ids=["neither", "both"])
def test_show_wants_either_an_id_or_a_sid(config: str, which: list[str]) -> None:
    assert run("show", config, *which).exit_code == 2


@pytest.mark.parametrize(
    ("criterion", "remaining"),
    [
        (["--id", "id-one"], ["id-old", "id-bob"]),
        (["--sid", "sid-one-rp-b"], ["id-old", "id-bob"]),
        (["--user", "alice"], ["id-bob"]),
        (["--client", "rp-b"], ["id-old", "id-bob"]),
        (["--older-than", "1h"], ["id-one", "id-bob"]),
        (["--user", "bob", "--client", "rp-b"], ["id-old", "id-one", "id-bob"]),
        (["--user", ""], ["id-old", "id-one", "id-bob"]),
    ],
    ids=["id", "sid", "user", "client", "age", "both must hold", "nobody"],
)
def test_end_ends_what_meets_the_criteria_and_nothing_else(config: str, store: Store, criterion: list[str], remaining: list[str]) -> None:
    begin(store, "old", age=3700, clients=("rp-a",))
    begin(store, "one", age=1)
    begin(store, "bob", uid="bob", clients=("rp-a",))

    result = run("end", config, *criterion)

    assert result.exit_code == 0, result.output
    assert left(store) == remaining
    assert f"{3 - len(remaining)} session" in result.stderr


def test_end_without_a_criterion_ends_nothing(config: str, store: Store) -> None:
    begin(store)

    result = run("end", config, "--yes")

    assert result.exit_code == 2
    assert "at least one of" in result.stderr
    assert left(store) == ["id-one"]


def test_end_with_a_bad_duration_ends_nothing(config: str, store: Store) -> None:
    begin(store)

    result = run("end", config, "--older-than", "soon")

    assert result.exit_code == 2
    assert "must be a duration" in result.stderr
    assert left(store) == ["id-one"]


def test_a_dry_run_says_who_would_be_told_and_ends_nothing(config: str, store: Store) -> None:
    begin(store)

    result = run("end", config, "--user", "alice", "--dry-run")

    assert result.exit_code == 0
    assert result.stdout == "id-one\talice\trp-a (backchannel), rp-b (not notified)\n"
    assert result.stderr == "1 session would end, 1 notice would be recorded\n"
    assert left(store) == ["id-one"]
    assert store.notices(10) == []


def test_end_says_what_a_dry_run_said_and_records_it(config: str, store: Store) -> None:
    begin(store)
    planned = run("end", config, "--user", "alice", "--dry-run").stdout

    result = run("end", config, "--user", "alice")

    assert result.stdout == planned
    assert result.stderr == "1 session ended, 1 notice recorded\n"
    assert [(notice.client_id, notice.reason) for notice in store.notices(10)] == [("rp-a", "admin")]


@pytest.mark.parametrize(("answer", "remaining", "exit_code"), [("y\n", [], 0), ("n\n", ["id-one"], 1), ("", ["id-one"], 1)])
def test_end_asks_on_a_terminal(
    config: str, store: Store, monkeypatch: pytest.MonkeyPatch, answer: str, remaining: list[str], exit_code: int
) -> None:
    monkeypatch.setattr("oic_session_ext.cli.sessions.is_terminal", lambda: True)
    begin(store)

    result = run("end", config, "--id", "id-one", stdin=answer)

    assert result.exit_code == exit_code
    assert "End 1 session?" in result.stderr
    assert left(store) == remaining


@pytest.mark.parametrize("option", ["--yes", "--dry-run"])
def test_end_does_not_ask_when_it_is_told_not_to_or_nothing_is_at_stake(
    config: str, store: Store, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("oic_session_ext.cli.sessions.is_terminal", lambda: True)
    begin(store)

    result = run("end", config, "--id", "id-one", option)

    assert result.exit_code == 0
    assert "?" not in result.stderr


def test_a_store_that_fails_half_way_ends_with_1_and_says_what_has_ended(
    config: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oic_session_ext.sessions.administration import SessionAdministration

    begin(store, "one", age=2)
    begin(store, "two", age=1)
    end = SessionAdministration.end

    def fail_at_the_second(self: SessionAdministration, session: object) -> object:
        if session.id == "id-two":  # type: ignore[attr-defined]
            raise StoreUnavailable("the disk is full")
        return end(self, session)  # type: ignore[arg-type]

    monkeypatch.setattr(SessionAdministration, "end", fail_at_the_second)

    result = run("end", config, "--user", "alice")

    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["1 session ended, 1 notice recorded", "oic-session-ext: the disk is full"]
    assert left(store) == ["id-two"]


@pytest.mark.parametrize("command", [["list"], ["show", "id-one"], ["end", "--user", "alice"]], ids=lambda words: words[0])
def test_a_store_in_memory_is_refused_with_2(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "op.yaml"
    file.write_text(HEAD.format(store="'memory:'"), "utf-8")

    result = run(command[0], str(file), *command[1:])

    assert result.exit_code == 2
    assert "only the server itself can use" in result.stderr


def test_a_name_that_is_no_text_is_nobodys(config: str, store: Store) -> None:
    begin(store)

    assert run("list", config, "--user", "\udcff").stdout == ""
    assert run("list", config, "--client", "\udcff").stdout == ""
    assert run("show", config, "\udcff").exit_code == 1


def test_a_function_that_the_settings_name_hears_of_a_session_that_an_operator_ends(
    config: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Event] = []
    module = ModuleType("deployers_audit")
    monkeypatch.setattr(module, "listen", heard.append, raising=False)
    monkeypatch.setitem(sys.modules, "deployers_audit", module)
    Path(config).write_text(HEAD.format(store="sqlite:///op.sqlite") + "hooks: ['deployers_audit:listen']\n", "utf-8")
    begin(store)

    result = run("end", config, "--id", "id-one", "--yes")

    assert result.exit_code == 0, result.output
    assert [(type(event), getattr(event, "reason", None)) for event in heard] == [(SessionEnded, Reason.ADMIN)]

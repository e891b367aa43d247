"""The command line: exit codes, what goes to which stream, and nothing that looks like a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from oic_session_ext.cli import main
from oic_session_ext.errors import ConfigError, StoreUnavailable
from oic_session_ext.server.config.settings import ServerSettings
from oic_session_ext.server.config.user import UserSettings
from oic_session_ext.server.users import UserDirectory

ROOT = Path(__file__).resolve().parents[2]
GOOD = str(ROOT / "conf" / "op.yaml")


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text("issuer: http://op.example.com\nisuer: x\nstore: 'memory:'\nusers: []\n", "utf-8")
    return file


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerSettings]:
    """Stands in for the server; gets what would be served."""
    received: list[ServerSettings] = []
    stand_in(monkeypatch, received.append)
    return received


def stand_in(monkeypatch: pytest.MonkeyPatch, serve: object) -> None:
    serving = ModuleType("oic_session_ext.server.run.serve")
    serving.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "oic_session_ext.server.run.serve", serving)


def test_a_good_file_is_called_good() -> None:
    result = run("check-config", GOOD)

    assert result.exit_code == 0
    assert "good" in result.stdout


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_bad_file_ends_the_command_with_2_and_a_line_per_problem_on_stderr(command: str, bad: Path, served: list[ServerSettings]) -> None:
    result = run(command, str(bad))

    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.split(" ")[:2] for line in lines] == [[f"{bad}:1:", "issuer:"], [f"{bad}:2:", "isuer:"], [f"{bad}:4:", "users:"]]
    assert served == []


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_missing_file_ends_the_command_with_2(command: str, tmp_path: Path) -> None:
    result = run(command, str(tmp_path / "none.yaml"))

    assert result.exit_code == 2
    assert result.stderr.splitlines() == [f"{tmp_path / 'none.yaml'}: the file: cannot be read: No such file or directory"]


def test_a_bad_file_shows_no_traceback_to_a_real_shell(bad: Path) -> None:
    command = [sys.executable, "-c", "from oic_session_ext.cli import main; main()", "check-config", str(bad)]

    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)

    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 3


def test_serve_hands_the_settings_to_the_server(served: list[ServerSettings]) -> None:
    result = run("serve", GOOD)

    assert result.exit_code == 0
    assert [settings.issuer for settings in served] == ["https://op.example.com"]


def test_a_setting_that_only_start_up_finds_wrong_ends_serve_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(_: ServerSettings) -> None:
        raise ConfigError("keys", "is not a JSON Web Key Set")

    stand_in(monkeypatch, serve)
    result = run("serve", GOOD)

    assert result.exit_code == 2
    assert result.stderr.splitlines() == [f"{GOOD}: keys: is not a JSON Web Key Set"]


def test_a_store_that_is_down_at_start_up_ends_serve_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(_: ServerSettings) -> None:
        raise StoreUnavailable("the disk is full")

    stand_in(monkeypatch, serve)
    result = run("serve", GOOD)

    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["oic-session-ext: the disk is full"]


def test_a_bug_is_not_mistaken_for_a_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(_: ServerSettings) -> None:
        raise ZeroDivisionError

    stand_in(monkeypatch, serve)

    assert isinstance(run("serve", GOOD).exception, ZeroDivisionError)


@pytest.mark.parametrize("piped", ["wonderland\n", "wonderland", "wonderland\r\n"], ids=["line", "no line end", "CRLF"])
def test_users_hash_reads_a_piped_password_and_prints_its_line(piped: str) -> None:
    result = run("users", "hash", stdin=piped)

    assert result.exit_code == 0
    user = UserSettings.model_validate({"username": "alice", "password_hash": result.stdout.rstrip("\n")})
    assert UserDirectory([user]).verify("alice", "wonderland") is not None


def test_users_hash_keeps_the_spaces_of_a_password() -> None:
    line = run("users", "hash", stdin=" pass word \n").stdout.rstrip("\n")

    directory = UserDirectory([UserSettings.model_validate({"username": "alice", "password_hash": line})])
    assert directory.verify("alice", " pass word ") is not None
    assert directory.verify("alice", "pass word") is None


def test_users_hash_does_not_repeat_the_password() -> None:
    result = run("users", "hash", stdin="wonderland\n")

    assert "wonderland" not in result.output


@pytest.mark.parametrize(
    ("piped", "problem"),
    [
        pytest.param("\n", "1 to 1024 bytes", id="empty line"),
        pytest.param("", "1 to 1024 bytes", id="nothing"),
        pytest.param("x" * 2000, "1 to 1024 bytes", id="too long"),
        pytest.param(b"\xff\xfe\n", "not UTF-8", id="not UTF-8"),
    ],
)
def test_users_hash_refuses_what_could_never_sign_in(piped: str | bytes, problem: str) -> None:
    result = run("users", "hash", stdin=piped)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert problem in result.stderr


def test_users_hash_asks_twice_on_a_terminal_without_showing_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oic_session_ext.cli.users.is_terminal", lambda: True)

    result = run("users", "hash", stdin="wonderland\nwonderland\n")

    assert result.exit_code == 0
    assert result.stdout.startswith("$argon2id$")
    assert result.stderr.splitlines() == ["Password: ", "Repeat for confirmation: "]


def test_users_hash_asks_again_when_the_two_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oic_session_ext.cli.users.is_terminal", lambda: True)

    result = run("users", "hash", stdin="wonderland\nwonderlund\nbuilder\nbuilder\n")

    line = result.stdout.strip()
    assert UserDirectory([UserSettings.model_validate({"username": "bob", "password_hash": line})]).verify("bob", "builder") is not None


def test_the_version_is_printed() -> None:
    from oic_session_ext import __version__

    assert run("--version").stdout == f"oic-session-ext {__version__}\n"


def test_an_unknown_command_is_told_apart_from_a_bad_file() -> None:
    result = run("sreve", GOOD)

    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_migrate_makes_the_tables_of_a_new_database_and_then_finds_them(tmp_path: Path) -> None:
    file = tmp_path / "op.yaml"
    file.write_text(Path(GOOD).read_text("utf-8").replace("sqlite:///../var/op/op.sqlite", "sqlite:///op.sqlite"), "utf-8")

    first, second = run("migrate", str(file)), run("migrate", str(file))

    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "(before: none)" in first.stdout
    assert "already" in second.stdout


def test_migrate_says_that_a_store_without_tables_needs_none(tmp_path: Path) -> None:
    file = tmp_path / "op.yaml"
    file.write_text(Path(GOOD).read_text("utf-8").replace("sqlite:///../var/op/op.sqlite", "'memory:'"), "utf-8")

    result = run("migrate", str(file))

    assert result.exit_code == 2
    assert "no tables to migrate" in result.stderr


@pytest.mark.parametrize("store", ["postgresql+psycopg://op@localhost/op", "redis://localhost/0"])
@pytest.mark.parametrize("key", ["secrets", "keys"])
def test_a_shared_store_needs_secrets_and_keys_that_are_shared_too(tmp_path: Path, store: str, key: str) -> None:
    file = tmp_path / "op.yaml"
    file.write_text(Path(GOOD).read_text("utf-8").replace("sqlite:///../var/op/op.sqlite", store), "utf-8")

    result = run("check-config", str(file))

    assert result.exit_code == 2
    assert f"{key}: is missing" in result.stderr

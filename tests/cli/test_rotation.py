"""`secrets`, `keys` and `adopt`: the stages on the command line, what they print and never print, and their exit codes."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oic_session_ext.cli import main
from oic_session_ext.crypto.private_file import replace_private
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.provider.keys import new_private_jwk
from oic_session_ext.server.config.loader import load_settings
from oic_session_ext.server.operations.shared_secrets import SharedSecrets
from oic_session_ext.server.operations.signing_keys import SigningKeys
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store

SETTINGS = """
issuer: {issuer}
store: {store}
{more}
users:
  - username: alice
    password_hash: $argon2id$v=19$m=65536,t=3,p=4$vNQXOrVnjI8Us5NMAehSOw$ipMaAAF3MzYPWwNbqMKDLkV9T05bDViKUoaXnIKs1So
"""
KEYS = SigningKeys([new_private_jwk({"kty": "EC", "crv": "P-256", "alg": "ES256"})]).to_text()  # RSA keys are slow to make


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/op.sqlite")
    yield store
    store.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The commands' clock, which a test may turn on."""
    now = [1_800_000_000]
    monkeypatch.setattr("oic_session_ext.cli.rotation.system_clock", lambda: now[0])
    return now


def write(folder: Path, *, issuer: str = "http://localhost:8080", store: str = "sqlite:///op.sqlite", more: str = "") -> Path:
    keys = folder / "keys.json"
    if not keys.exists() and "keys:" not in more:
        keys.write_text(KEYS)
        keys.chmod(0o600)
    file = folder / "op.yaml"
    file.write_text(SETTINGS.format(issuer=issuer, store=store, more=more), "utf-8")
    return file


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def start(config: Path, store: Store, clock: list[int]) -> SharedSecrets:
    """What a server does at its start."""
    shared = SharedSecrets(load_settings(config), store, lambda: clock[0])
    shared.join()
    return shared


def states(group: str, config: Path) -> list[str]:
    result = run(group, "list", config)
    assert result.exit_code == 0, result.output
    return [line.split("\t")[-1].split(",")[0] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(("group", "wait_s", "lifetime_s"), [("secrets", 10, 30 * 86400), ("keys", 310, 15 * 86400)])
def test_a_rotation_stage_by_stage(
    group: str, wait_s: int, lifetime_s: int, config: Path, store: Store, clock: list[int], tmp_path: Path
) -> None:
    server = start(config, store, clock)
    assert states(group, config) == ["in use"]

    assert run(group, "rotate", config).exit_code == 0
    assert states(group, config) == ["in use", "next"]
    early = run(group, "rotate", config, "--promote")
    assert (early.exit_code, "too early" in early.stderr, "possible from 2027-01-15T" in early.stderr) == (1, True, True)

    clock[0] += wait_s
    server.check()
    assert run(group, "rotate", config, "--promote").exit_code == 0
    server.check()
    assert states(group, config) == ["in use", "old"]
    clock[0] += lifetime_s
    early = run(group, "rotate", config, "--retire")
    assert (early.exit_code, "may be alive" in early.stderr) == (1, True)

    clock[0] += 86400
    assert run(group, "rotate", config, "--retire").exit_code == 0
    server.check()
    assert states(group, config) == ["in use"]
    file = tmp_path / {"secrets": "secrets", "keys": "keys.json"}[group]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run(group, "rotate", config, "--retire")
    assert (again.exit_code, "nothing to retire" in again.stderr) == (1, True)


@pytest.mark.parametrize("group", ["secrets", "keys"])
def test_nothing_secret_is_printed(group: str, config: Path, tmp_path: Path, clock: list[int]) -> None:
    results = [run(group, "rotate", config), run(group, "list", config)]

    printed = "".join(result.output for result in results)
    ring = (tmp_path / "secrets").read_text().split()
    private = [str(key["d"]) for key in json.loads((tmp_path / "keys.json").read_text())["keys"]]
    assert not [secret for secret in [*ring, *private] if secret in printed]


def test_a_rotation_is_not_begun_twice(config: Path, clock: list[int]) -> None:
    run("secrets", "rotate", config)

    again = run("secrets", "rotate", config)

    assert again.exit_code == 1
    assert "under way" in again.stderr


def test_a_server_that_has_another_file_holds_the_promotion_up(config: Path, store: Store, clock: list[int], tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    start(config, store, clock)
    elsewhere = start(config, store, clock)
    text = file.read_text()
    run("secrets", "rotate", config)
    clock[0] += 20
    elsewhere.secrets.agreement.check(SecretRing.from_text(text), clock[0])

    assert "a running server does not have it" in run("secrets", "list", config).stdout
    refused = run("secrets", "rotate", config, "--promote")
    assert (refused.exit_code, "has not got what was announced" in refused.stderr) == (1, True)


@pytest.mark.parametrize(("stdin", "is_done"), [("y\n", True), ("n\n", False), ("", False)])
def test_what_has_leaked_is_replaced_at_once_after_a_yes(config: Path, clock: list[int], stdin: str, is_done: bool) -> None:
    run("secrets", "rotate", config)

    result = run("secrets", "rotate", config, "--promote", "--now", stdin=stdin)

    assert (result.exit_code == 0) is is_done
    assert "are refused" in result.stderr
    assert states("secrets", config)[1] == ("old" if is_done else "next")


def test_now_alone_is_no_stage(config: Path) -> None:
    assert run("secrets", "rotate", config, "--now").exit_code == 2


def test_secrets_of_the_environment_are_printed_to_be_set(tmp_path: Path, clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    before = SecretRing.generate_text()
    monkeypatch.setenv("OP_SECRETS", before)
    config = write(tmp_path, more="secrets: {env: OP_SECRETS}")

    result = run("secrets", "rotate", config)

    assert result.exit_code == 0, result.output
    assert SecretRing.from_text(result.stdout).accepted[0] == SecretRing.from_text(before).fingerprint
    monkeypatch.setenv("OP_SECRETS", result.stdout)
    clock[0] += 20
    promoted = run("secrets", "rotate", config, "--promote")
    assert SecretRing.from_text(promoted.stdout).active == SecretRing.from_text(result.stdout).accepted[1:]


def test_keys_in_the_store_are_rotated_there(tmp_path: Path, clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SigningKeys, "generate_text", lambda: KEYS)
    config = write(tmp_path, more="keys: {in_store: true}")

    assert run("keys", "rotate", config).exit_code == 0

    assert states("keys", config) == ["in use", "next"]
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("command", [["secrets", "list"], ["secrets", "rotate"], ["keys", "list"], ["keys", "rotate"], ["adopt"]])
def test_a_store_in_memory_has_nothing_to_rotate(tmp_path: Path, command: list[str]) -> None:
    result = run(*command, write(tmp_path, store='"memory:"'))

    assert result.exit_code == 2
    assert "memory:" in result.stderr


@pytest.mark.parametrize("command", [["secrets", "list"], ["secrets", "rotate"]])
def test_secrets_that_others_may_read_are_refused(config: Path, command: list[str], tmp_path: Path) -> None:
    run("secrets", "list", config)
    (tmp_path / "secrets").chmod(0o640)

    result = run(*command, config)

    assert result.exit_code == 2
    assert "chmod 600" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("stage", [[], ["--promote"], ["--retire"]])
def test_secrets_that_are_not_the_servers_are_not_rotated(
    config: Path, store: Store, clock: list[int], tmp_path: Path, stage: list[str]
) -> None:
    start(config, store, clock)
    file = tmp_path / "secrets"
    replace_private(file, SecretRing.generate_text(), instead_of=file.read_text())
    before = file.read_text()

    result = run("secrets", "rotate", config, *stage)

    assert result.exit_code == 2
    assert "run this where theirs are" in result.stderr
    assert file.read_text() == before


def test_a_store_is_made_to_go_by_other_secrets_and_another_issuer(config: Path, store: Store, clock: list[int], tmp_path: Path) -> None:
    start(config, store, clock)
    file = tmp_path / "secrets"
    replace_private(file, SecretRing.generate_text(), instead_of=file.read_text())
    other = write(tmp_path, issuer="http://localhost:9090")

    refused = run("adopt", other, stdin="n\n")
    assert refused.exit_code == 1
    assert [line.split(":")[0] for line in refused.stderr.splitlines()[:2]] == ["issuer", "secrets"]
    assert run("adopt", other, "--yes").exit_code == 0

    start(other, store, clock)
    assert "already" in run("adopt", other).stdout


def test_keys_whose_secret_is_lost_are_made_anew(tmp_path: Path, store: Store, clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SigningKeys, "generate_text", lambda: KEYS)
    config = write(tmp_path, more="keys: {in_store: true}")
    start(config, store, clock)
    file = tmp_path / "secrets"
    replace_private(file, SecretRing.generate_text(), instead_of=file.read_text())
    listed = run("keys", "list", config)
    assert (listed.exit_code, "adopt" in listed.stderr) == (2, True)

    result = run("adopt", config, stdin="y\n")

    assert result.exit_code == 0, result.output
    start(config, store, clock)

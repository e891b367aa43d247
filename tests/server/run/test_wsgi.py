"""The OP as a WSGI application: when it opens its store, what it refuses at once, and how it comes back."""

from __future__ import annotations

import atexit
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cherrypy
import pytest

from oic_session_ext.errors import ConfigError
from oic_session_ext.server.config.loader import SettingsFileError
from oic_session_ext.server.run import wsgi
from tests.bundled_op import CLIENTS, ISSUER, PASSWORDS, OpBrowser

MakeFile = Callable[..., Path]


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """What an application changes of its process is changed back, and what it would do at the process's end is done."""
    root, config = logging.getLogger(), dict(cherrypy.config)
    handlers, level = root.handlers[:], root.level
    wsgi._application_of_environment.cache_clear()
    yield
    root.handlers[:], root.level = handlers, level
    cherrypy.config.clear()
    cherrypy.config.update(config)


@pytest.fixture
def at_exit(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """What is to be done at the process's end; done when the test is over."""
    calls: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", lambda call, *args: calls.append(lambda: call(*args)))
    yield calls
    for call in calls:
        call()


@pytest.fixture
def make_file(tmp_path: Path, keys_file: str, at_exit: list[Callable[[], None]]) -> MakeFile:
    """Writes a settings file; what is given replaces its sections."""

    def make(**changes: Any) -> Path:
        file = tmp_path / "op.yaml"
        settings = {
            "issuer": ISSUER,
            "store": f"sqlite:///{tmp_path / 'op.sqlite'}",
            "keys": keys_file,
            "login": {"cheap_passwords_for_benchmarks": True},
            "users": [{"username": name, "password": password} for name, password in PASSWORDS.items()],
            "clients": CLIENTS,
        }
        file.write_text(json.dumps(settings | changes))
        return file

    return make


def test_a_whole_flow_is_served(make_file: MakeFile) -> None:
    browser = OpBrowser(wsgi.application_from(make_file()), ISSUER)

    tokens = browser.sign_in()
    browser.end_session(id_token_hint=tokens["id_token"])

    assert browser.renew().error == "login_required"


def test_the_application_of_the_environment_is_made_once(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIC_SESSION_EXT_CONFIG", str(make_file()))

    assert OpBrowser(wsgi.application, ISSUER).get("/health/ready").status == 200
    assert wsgi.application is wsgi.application


def test_nothing_is_opened_before_the_first_request(make_file: MakeFile, tmp_path: Path) -> None:
    application = wsgi.application_from(make_file())
    assert not (tmp_path / "op.sqlite").exists()

    OpBrowser(application, ISSUER).get("/health/live")

    assert (tmp_path / "op.sqlite").exists()


def test_the_store_is_swept_until_the_process_ends(make_file: MakeFile, at_exit: list[Callable[[], None]]) -> None:
    def sweepers() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "sweeper"]

    assert not sweepers()
    OpBrowser(wsgi.application_from(make_file()), ISSUER).get("/health/live")
    assert sweepers() == ["sweeper"]

    at_exit.pop()()

    assert not sweepers()


def test_a_store_that_cannot_be_opened_is_a_503_and_tried_again(
    make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "folder" / "op.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"not a database, " * 1000)
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    browser = OpBrowser(wsgi.application_from(make_file(store=f"sqlite:///{file}")), ISSUER)

    refused = browser.get("/health/ready")
    assert (refused.status, refused.error, refused.header("Retry-After")) == (503, "temporarily_unavailable", "5")
    assert browser.send("HEAD", "/health/ready").body == b""

    file.unlink()
    assert browser.get("/health/ready").status == 503
    now[0] += 1
    assert browser.get("/health/ready").status == 200


def test_what_keeps_it_from_serving_is_told_in_one_line_of_the_log(
    make_file: MakeFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    keys.chmod(0o600)

    answer = OpBrowser(wsgi.application_from(make_file(keys=str(keys), logging={"format": "json"})), ISSUER).get("/health/ready")

    assert answer.status == 503
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines if line["level"] == "error"] == [
        f"cannot serve: {keys}: must be a JWK Set of private RSA or EC keys: it has no list of keys"
    ]


def test_a_store_that_processes_do_not_share_is_refused(make_file: MakeFile) -> None:
    with pytest.raises(ConfigError, match="store: must be a store that processes can share"):
        wsgi.application_from(make_file(store="memory:"))


def test_a_bad_file_is_refused_at_once(make_file: MakeFile) -> None:
    with pytest.raises(SettingsFileError, match="issuer"):
        wsgi.application_from(make_file(issuer="nowhere"))


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_the_application_is_refused(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OIC_SESSION_EXT_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("OIC_SESSION_EXT_CONFIG", value)

    with pytest.raises(ConfigError, match="OIC_SESSION_EXT_CONFIG: the environment variable is missing"):
        _ = wsgi.application


def test_the_module_has_no_other_names_that_are_made_when_asked_for() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        _ = wsgi.nothing_of_the_kind

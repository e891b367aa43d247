"""Health: alive while the process runs, ready while the store can be read and written."""

from __future__ import annotations

import pytest

from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.store.memory.engine import MemoryStore
from tests.bundled_op import OpBrowser


@pytest.fixture
def broken_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("the password of the database is secret")

    for name in ("ping", "commit", "op_session_by_cookie", "ephemeral", "client"):
        monkeypatch.setattr(MemoryStore, name, fail)


def test_a_server_that_works_is_live_and_ready(browser: OpBrowser) -> None:
    assert (browser.get("/health/live").status, browser.get("/health/live").json) == (200, {"status": "live"})
    assert (browser.get("/health/ready").status, browser.get("/health/ready").json) == (200, {"status": "ready"})


def test_a_server_without_its_store_is_live_and_not_ready(browser: OpBrowser, broken_store: None) -> None:
    ready = browser.get("/health/ready")

    assert browser.get("/health/live").status == 200
    assert (ready.status, ready.json) == (503, {"status": "unavailable", "store": "unavailable"})


def test_health_is_never_cached_and_sets_no_cookie(browser: OpBrowser) -> None:
    for path in ("/health/live", "/health/ready"):
        answer = browser.get(path)
        assert answer.header("Cache-Control") == "no-store"
        assert not answer.cookies


@pytest.mark.parametrize("path", ["/", "/consent?x=y", "/authorization?client_id=web", "/end_session", "/token", "/userinfo"])
def test_without_the_store_every_endpoint_answers_a_4xx_or_503_that_tells_nothing_of_it(
    browser: OpBrowser, broken_store: None, path: str
) -> None:
    browser.jar["op_session"] = "x" * 43
    method = "POST" if path == "/token" else "GET"

    answer = browser.send(method, path, b"grant_type=x" if method == "POST" else b"", {"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status == 503 or 400 <= answer.status < 500
    assert "secret" not in answer.text


def test_service_resumes_by_itself(browser: OpBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(MemoryStore, "op_session_by_cookie", lambda *_: (_ for _ in ()).throw(StoreUnavailable("gone")))
        browser.jar["op_session"] = "x" * 43
        failed = browser.get("/")

    assert (failed.status, failed.header("Retry-After")) == (503, "5")
    assert browser.get("/").status == 200

"""Real browsers for tests: the system's own, in a fresh profile whose cookie rules are always said and never a default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import pytest
from playwright.sync_api import BrowserContext, Playwright, expect

expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong

ThirdPartyCookies = Literal["allowed", "blocked"]

# Which third-party cookies a Chromium without this preference keeps depends on who built it.
_COOKIE_CONTROLS_MODE: dict[ThirdPartyCookies, int] = {"allowed": 0, "blocked": 1}

_FLAGS = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class ChromiumContexts(Protocol):
    """Starts one more Chromium, with a profile and cookies of its own."""

    def __call__(self, third_party_cookies: ThirdPartyCookies = "allowed", *flags: str) -> BrowserContext:
        """Return the browser, which is closed for you; its first page must stay open, for Chromium leaves the profile with the last.

        `flags`: more of them for the command line.
        """
        ...


@pytest.fixture
def chromium_context(chromium_executable: str, playwright_driver: Playwright, tmp_path: Path) -> Iterator[ChromiumContexts]:
    """Starts browsers, as many as a test has users or machines, and closes them afterwards."""
    with chromium_contexts(chromium_executable, playwright_driver, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def module_chromium_context(
    chromium_executable: str, playwright_driver: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChromiumContexts]:
    """The same for tests that share a browser and clear its cookies themselves; closed after the module."""
    with chromium_contexts(chromium_executable, playwright_driver, tmp_path_factory.mktemp("profiles")) as start:
        yield start


@contextmanager
def chromium_contexts(executable: str, playwright: Playwright, folder: Path) -> Iterator[ChromiumContexts]:
    """What starts browsers, whose profiles are kept below `folder`; they are closed at the end."""
    started: list[BrowserContext] = []

    def start(third_party_cookies: ThirdPartyCookies = "allowed", *flags: str) -> BrowserContext:
        profile = folder / f"chromium-{len(started)}"
        preferences = {"profile": {"cookie_controls_mode": _COOKIE_CONTROLS_MODE[third_party_cookies]}}
        (profile / "Default").mkdir(parents=True)
        (profile / "Default" / "Preferences").write_text(json.dumps(preferences), encoding="utf-8")
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            # Playwright's own flags switch off partitions and the back/forward cache: tests want what people have.
            ignore_default_args=True,
            args=[*_FLAGS, *flags, f"--user-data-dir={profile}"],
        )
        started.append(context)
        return context

    try:
        yield start
    finally:
        for context in started:
            context.close()

"""What holds for every test: browsers and the marker of those that need one, and that SIGINT ends what they start."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

BROWSER_TESTS = Path(__file__).resolve().parent / "browser"


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGINT do what it does by default: a shell that runs the tests in the background has it ignored, by whatever they start too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser, so that `-m 'not browser'` leaves them out.

    Where browsers and servers are processes of their own beside many others, a failure counts when it comes twice; the first one is
    printed as R.
    """
    for item in items:
        if item.path.is_relative_to(BROWSER_TESTS):
            item.add_marker("browser")
        if item.path.relative_to(BROWSER_TESTS.parent).parts[0] in ("browser", "certification", "examples", "flows"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def chromium_executable() -> str:
    """The system's Chromium; without one the test is skipped, in CI it fails."""
    path = find_chromium()
    if path is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("no Chromium on this machine (Debian/Ubuntu: apt-get install chromium)")
    return path


def find_chromium() -> str | None:
    """The system's Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Playwright]:
    """One driver process for all browsers of all folders: a second one cannot be had in one process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright

"""What holds for every test: the marker of those that need a browser, and the list of requirements that tests show."""

from __future__ import annotations

import signal
from collections import defaultdict
from pathlib import Path

import pytest

BROWSER_TESTS = Path(__file__).resolve().parent / "browser"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--requirements`: which tests show which requirement, printed in place of running them."""
    parser.addoption("--requirements", action="store_true", help="list the requirements and the tests that show them; run nothing")


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGINT do what it does by default: a shell that runs the tests in the background has it ignored, by whatever they start too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser, so that `-m 'not browser'` leaves them out."""
    for item in items:
        if item.path.is_relative_to(BROWSER_TESTS):
            item.add_marker("browser")
    if config.getoption("--requirements"):
        _print_requirements(items)
        items.clear()


def _print_requirements(items: list[pytest.Item]) -> None:
    tests: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        for marker in item.iter_markers("spec"):
            for requirement in marker.args:
                tests[requirement].add(item.nodeid.partition("[")[0])
    print()
    for requirement in sorted(tests):
        print(requirement, *sorted(tests[requirement]), sep="\n    ")

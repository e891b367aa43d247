"""What RPs can see of a logout, in real Chromium and Firefox over TLS: as docs/browsers.md says, without a loop anywhere.

`make matrix` measures every row of the tables in that page; here are those that differ from their neighbours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Playwright

from tests.browser.firefox import firefox_executable
from tests.browser.matrix.matrix import ROWS, Browsers, Place, Rows, browsers, from_markdown, measure
from tests.browser.matrix.polling import PollingCell
from tests.browser.matrix.site import OIDC_CLIENT_TS, Sites, serving
from tests.examples.demo_config import ROOT
from tests.npm_packages import npm_package

HERE = [
    Place("iframe", "op", "allowed", "cross"),
    Place("iframe", "op", "blocked", "same"),
    Place("iframe", "op", "blocked", "cross"),
    Place("iframe", "status", "blocked", "cross"),
    Place("iframe", "op", "blocked+grant", "cross"),
    Place("oidc-client-ts", "op", "blocked", "cross"),
    Place("oidc-client-ts", "status", "blocked", "cross"),
    Place("example RP", "op", "blocked", "cross"),
    Place("iframe", "op", "firefox", "cross"),
    Place("iframe", "op", "firefox strict", "cross"),
    Place("iframe", "op", "firefox+grant", "cross"),
    Place("oidc-client-ts", "op", "firefox", "cross"),
]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """The OPs and the RPs."""
    with serving(tmp_path_factory.mktemp("sites"), npm_package("oidc-client-ts") / OIDC_CLIENT_TS) as sites:
        yield sites


@pytest.fixture(scope="module")
def known_browsers(
    sites: Sites, chromium_executable: str, playwright_driver: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browsers]:
    """Browsers that know the sites."""
    firefox = firefox_executable()
    if firefox is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("no Firefox on this machine (Debian: apt-get install firefox-esr)")
    with browsers(playwright_driver, chromium_executable, firefox, tmp_path_factory.mktemp("profiles"), sites) as known:
        yield known


@pytest.fixture(scope="module")
def documented() -> Rows:
    """The tables of docs/browsers.md."""
    return from_markdown((ROOT / "docs" / "browsers.md").read_text(encoding="utf-8"))


@pytest.mark.spec("SM-21", "SM-24", "SM-28", "RP-03", "RP-05", "RP-08")
@pytest.mark.parametrize("place", HERE, ids=str)
def test_a_browser_shows_what_the_documentation_says(place: Place, known_browsers: Browsers, sites: Sites, documented: Rows) -> None:
    browser = known_browsers.get(place.browser)
    cell = measure(place, browser, sites)

    assert cell.found == documented[place]
    assert browser.complaints() == []  # of what a Content Security Policy forbids
    if isinstance(cell, PollingCell):
        assert cell.most_renewals <= 1


def test_the_documentation_has_every_row(documented: Rows) -> None:
    assert set(documented) == set(ROWS)


def test_no_documented_row_has_an_rp_that_asks_more_than_once_for_a_change(documented: Rows) -> None:
    told = [answer for place, row in documented.items() if place.table != "iframe" for answer in list(row.values())[1:]]

    assert {answer.rpartition(", ")[2] for answer in told} <= {"0", "1"}


def test_no_page_of_the_op_or_of_the_rps_has_an_inline_script_or_style(known_browsers: Browsers, sites: Sites) -> None:
    assert {path for address in sites.pages if (path := address.partition("/")[2])} >= {"login", "end_session", "check_session"}
    for address, page in sites.pages.items():
        reader = InlineReader()
        reader.feed(page)
        assert reader.found == [], address


class InlineReader(HTMLParser):
    """Finds what a Content Security Policy without `unsafe-inline` forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names) or "style" in names or any(re.match("on", name) for name in names):
            self.found.append(self.get_starttag_text() or tag)


def test_an_inline_script_or_style_would_be_found() -> None:
    reader = InlineReader()
    reader.feed("<script>1</script><p style='color: red' onclick='f()'><style></style><script src='/x.js'></script>")

    assert len(reader.found) == 3

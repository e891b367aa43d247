"""The matrix: which cells there are, the browsers that they are measured in, and the tables that docs/browsers.md keeps of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from playwright.sync_api import Playwright

from tests.browser.conftest import chromium_contexts
from tests.browser.firefox import running_firefox
from tests.browser.matrix.browsers import Chromium, Driven, DrivenFirefox
from tests.browser.matrix.cells import Cell, IframeCell
from tests.browser.matrix.polling import ExampleRpCell, OidcClientTsCell
from tests.browser.matrix.site import OpName, RpSite, Sites

BrowserName = Literal["allowed", "blocked", "blocked+grant", "firefox", "firefox strict", "firefox+grant"]
Table = Literal["iframe", "oidc-client-ts", "example RP"]

BROWSERS: dict[BrowserName, str] = {
    "allowed": "Chromium, third-party cookies allowed",
    "blocked": "Chromium, third-party cookies blocked",
    "blocked+grant": "the same, with a grant",
    "firefox": "Firefox, standard protection",
    "firefox strict": "Firefox, strict protection",
    "firefox+grant": "Firefox, with a grant",
}
_SITES: dict[RpSite, str] = {"same": "same site", "cross": "another site"}
_CELLS: dict[Table, type[Cell]] = {"iframe": IframeCell, "oidc-client-ts": OidcClientTsCell, "example RP": ExampleRpCell}
_TITLES: dict[tuple[Table, OpName], str] = {
    ("iframe", "op"): "The iframe, and `prompt=none` in a hidden frame",
    ("iframe", "status"): "The iframe, and `prompt=none` in a hidden frame, with session status",
    ("oidc-client-ts", "op"): "An RP on oidc-client-ts",
    ("oidc-client-ts", "status"): "An RP on oidc-client-ts, with session status",
    ("example RP", "op"): "The example RP",
    ("example RP", "status"): "The example RP, with session status",
}


@dataclass(frozen=True)
class Place:
    """Where a row of the tables is measured."""

    table: Table
    op: OpName
    browser: BrowserName
    site: RpSite

    def __str__(self) -> str:
        """Return a name for it."""
        return f"{self.table}, {self.op}, {self.browser}, {self.site}"


ROWS = [Place(table, op, browser, site) for browser in BROWSERS for table, op in _TITLES for site in _SITES]

Rows = dict[Place, dict[str, str]]
K = TypeVar("K")


class Browsers:
    """The browsers of the matrix, each started when it is first asked for."""

    def __init__(self, chromium: Callable[[Literal["allowed", "blocked"]], Chromium], firefox: Callable[[], DrivenFirefox]) -> None:
        self._chromium = chromium
        self._firefox = firefox
        self._running: dict[str, Driven] = {}

    def get(self, name: BrowserName) -> Driven:
        """Return a browser with the settings of that name; a grant is the cell's affair."""
        if name.startswith("firefox"):
            firefox = self._running.get("firefox") or self._firefox()
            assert isinstance(firefox, DrivenFirefox)
            self._running["firefox"] = firefox
            firefox.protect("strict" if name == "firefox strict" else "standard")
            return firefox
        cookies: Literal["allowed", "blocked"] = "allowed" if name == "allowed" else "blocked"
        if cookies not in self._running:
            self._running[cookies] = self._chromium(cookies)
        return self._running[cookies]


@contextmanager
def browsers(playwright: Playwright, chromium: str, firefox: str, folder: Path, sites: Sites) -> Iterator[Browsers]:
    """Give browsers that know the sites' names and trust their certificates; `chromium` and `firefox` are the programs."""
    flags = ("--host-resolver-rules=MAP *.example 127.0.0.1", f"--ignore-certificate-errors-spki-list={sites.key_digest}")
    with ExitStack() as stack:
        start = stack.enter_context(chromium_contexts(chromium, playwright, folder))
        yield Browsers(
            lambda cookies: Chromium(start(cookies, *flags)),
            lambda: DrivenFirefox(stack.enter_context(running_firefox(firefox, folder, sites.ca_der, "standard"))),
        )


def measure(place: Place, browser: Driven, sites: Sites) -> Cell:
    """Return the measured cell: `found` is its row."""
    cell = _CELLS[place.table](browser, sites, place.op, place.site, granted=place.browser.endswith("+grant"))
    cell.measure()
    return cell


def to_markdown(rows: Rows) -> str:
    """Write the tables."""
    parts = []
    for (table, op), title in _TITLES.items():
        of_table = {place: row for place, row in rows.items() if (place.table, place.op) == (table, op)}
        if of_table:
            header = ["browser", "RP", *next(iter(of_table.values()))]
            lines = [[BROWSERS[place.browser], _SITES[place.site], *row.values()] for place, row in of_table.items()]
            parts.append(f"### {title}\n\n" + "\n".join(_lines([header, ["---"] * len(header), *lines])) + "\n")
    return "\n".join(parts)


def from_markdown(text: str) -> Rows:
    """Read the tables that `to_markdown` wrote, wherever they are in the text."""
    rows: Rows = {}
    for (table, op), title in _TITLES.items():
        found = re.search(rf"^### {re.escape(title)}\n\n\| browser \| RP \| (.*) \|\n\| --.*\n((?:\|.*\n)*)", text, re.MULTILINE)
        header, body = found.groups() if found else ("", "")
        for line in body.splitlines():
            browser, site, *answers = (cell.strip() for cell in line.strip("|").split("|"))
            row = dict(zip(header.split(" | "), answers, strict=True))
            rows[Place(table, op, _key(BROWSERS, browser), _key(_SITES, site))] = row
    return rows


def _lines(table: Iterable[list[str]]) -> Iterator[str]:
    for line in table:
        yield "| " + " | ".join(line) + " |"


def _key(names: dict[K, str], value: str) -> K:
    return next(key for key, name in names.items() if name == value)

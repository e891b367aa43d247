"""Measures the whole matrix, prints its tables and writes them into a page: `python -m tests.browser.matrix docs/browsers.md`."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.firefox import firefox_executable
from tests.browser.matrix.matrix import ROWS, Rows, browsers, from_markdown, measure, to_markdown
from tests.browser.matrix.polling import PollingCell
from tests.browser.matrix.site import OIDC_CLIENT_TS, serving
from tests.conftest import find_chromium
from tests.npm_packages import npm_package

BEGIN, END = "<!-- measured by `make matrix` -->\n", "<!-- end of what is measured -->\n"


def main() -> int:
    """Return 0 when no page broke its policy and no RP asked more often than once for a change."""
    parser = argparse.ArgumentParser(description="Measure what RPs can see of a logout in which browser.")
    parser.add_argument("page", type=Path, help="a Markdown page, whose tables are written anew")
    parser.add_argument("--only", default="", help="rows whose name holds this, such as 'iframe, op, firefox'; the others stay")
    options = parser.parse_args()
    chromium, firefox = find_chromium(), firefox_executable()
    if chromium is None or firefox is None:
        raise SystemExit("Chromium and Firefox are needed: make test-needs")
    measured, faults = _measure(chromium, firefox, options.only)
    before, _, rest = options.page.read_text(encoding="utf-8").partition(BEGIN)
    tables, _, after = rest.partition(END)
    kept = from_markdown(tables) if options.only else {}
    rows = {place: row for place in ROWS if (row := measured.get(place) or kept.get(place))}
    text = f"Measured in {_version(chromium)} and {_version(firefox)}.\n\n{to_markdown(rows)}"
    options.page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    print(text, *faults, sep="\n")
    return 1 if faults else 0


def _version(program: str) -> str:
    """Return its name and the number of its version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(Chromium|Chrome|Firefox) [\d.]+", said)
    return found[0] if found else said.strip()


def _measure(chromium: str, firefox: str, only: str) -> tuple[Rows, list[str]]:
    rows: Rows = {}
    faults = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, sync_playwright() as playwright:
        folder = Path(name)
        with (
            serving(folder, npm_package("oidc-client-ts") / OIDC_CLIENT_TS) as sites,
            browsers(playwright, chromium, firefox, folder, sites) as known,
        ):
            for place in ROWS:
                if only not in str(place):
                    continue
                browser = known.get(place.browser)
                cell = measure(place, browser, sites)
                rows[place] = cell.found
                print(place, *cell.found.values(), sep=" | ", file=sys.stderr, flush=True)
                faults += [f"{place}: {complaint}" for complaint in browser.complaints()]
                if isinstance(cell, PollingCell) and cell.most_renewals > 1:
                    faults.append(f"{place}: {cell.most_renewals} re-authentications for one change")
    return rows, faults


if __name__ == "__main__":
    sys.exit(main())

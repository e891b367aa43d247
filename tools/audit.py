"""Says which installed packages have known vulnerabilities: `make audit`, a part of `make check`.

One that has a fix ends it with an error, unless tools/audit_ignored.txt says why not. Without the network, or without an index that
knows advisories, it says so and ends well: a check must not depend on who can be reached.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

IGNORED = Path(__file__).with_name("audit_ignored.txt")
_TIME_LIMIT_S = 300


def main() -> int:
    """Ask pip-audit about this environment; return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable", "--timeout", "5"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False)
        packages = json.loads(asked.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        print("audit: no advisories could be fetched, so nothing was checked")
        return 0
    return judge(packages, dict(ignored(IGNORED.read_text("utf-8"))))


def judge(packages: list[Mapping[str, Any]], reasons: Mapping[str, str]) -> int:
    """Print what pip-audit has found; return 1 for a vulnerability that has a fix and no reason to stay, else 0."""
    checked = [package for package in packages if "skip_reason" not in package]
    print(f"audit: {len(checked)} of {len(packages)} packages are known to the index of advisories")
    if not checked:
        print("audit: this index knows no advisories, so nothing was checked")
    status, met = 0, set()
    for package in checked:
        for found in package.get("vulns", ()):
            names = {found["id"], *found.get("aliases", ())}
            told = f"audit: {package['name']} {package['version']}: {found['id']}"
            met |= names
            if reason := next((reasons[name] for name in sorted(names) if name in reasons), None):
                print(f"{told} is let pass: {reason}")
            elif fixes := found.get("fix_versions"):
                print(f"{told} is fixed in {', '.join(fixes)}; install that, or say in {IGNORED.name} why not")
                status = 1
            else:
                print(f"{told} has no fix yet")
    for name in reasons.keys() - met if checked else ():
        print(f"audit: {name} is in {IGNORED.name} and was not found; take it out")
    return status


def ignored(text: str) -> Iterator[tuple[str, str]]:
    """Yield each advisory that is let pass, and the reason. Raises: ValueError: one has none."""
    for line in text.splitlines():
        name, _, reason = line.strip().partition(" ")
        if name and not name.startswith("#"):
            if not reason.strip():
                raise ValueError(f"{IGNORED.name}: {name} needs a reason")
            yield name, reason.strip()


if __name__ == "__main__":
    sys.exit(main())

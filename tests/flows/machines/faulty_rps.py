"""One OP session at many RPs of which some are faulty: how long the user waits at the logout, and whom the page names.

`python -m tests.flows.machines.faulty_rps [--logouts 20]` logs out so often from 20 RPs, 5 of them faulty,
and prints the waits.
It ends with exit code 1 when the slowest answer came more than 300 ms after the deadline, or a healthy RP was told after it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from tests.bundled_op import OpBrowser
from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp
from tests.flows.machines.running_op import RunningOp
from tests.wsgi_browser import Answer

METRICS_TOKEN = "a-token-that-prometheus-shows-1234"
HEALTHY = [f"healthy-{number}" for number in range(15)]
SILENT = ["hang", "500", "close", "slow-headers", "refused"]
REFUSING = ["redirect", "400", "400-html", "429", "reset"]
"""Faults of which an answer comes, or a hang-up, long before any deadline."""
ODD = ["no-content", "cut", "endless-body"]
"""A 2xx, whatever follows it: such an RP was told."""
_ALLOWED_S = 0.3


@dataclass(frozen=True)
class Waited:
    """A logout: when it was asked for, how long the user waited, and what the page said."""

    begun_at: float
    seconds: float
    page: Answer

    @property
    def statuses(self) -> dict[str, str]:
        """What the page says of each RP, by its name."""
        rows = re.findall(r'<li>(.*?)<span class="outcome ([a-z_]+)">', self.page.text, re.DOTALL)
        return {unescape(re.sub(r"<[^>]*>", "", name)).strip(): status for name, status in rows}


class FaultyRps:
    """A server, `op`, with a client for each healthy RP and for each fault; clients are called as their RP or fault."""

    def __init__(self, folder: Path, faulty: FaultRpProcess, keys_file: str, *, deadline: str = "2s", **backchannel: Any) -> None:
        self.faulty = faulty
        token_file = folder / "metrics-token"
        token_file.write_text(METRICS_TOKEN)
        token_file.chmod(0o600)
        uris = {name: faulty.uri("ok", name) for name in HEALTHY} | {name: faulty.uri(name) for name in (*SILENT, *REFUSING, *ODD)}
        self.op = RunningOp(
            folder,
            keys=keys_file,
            clients=[_client(name, uri) for name, uri in uris.items()],
            logout={"deadline": deadline, "backchannel": {"allow_networks": ["127.0.0.0/8"]} | backchannel},
            metrics={"access_token": {"file": str(token_file)}},
        )

    def sign_in(self, names: Sequence[str]) -> OpBrowser:
        """A browser in which alice is signed in at these RPs."""
        browser = self.op.browser()
        browser.enter(browser.login_page(names[0]))
        for name in names[1:]:
            assert "code" in browser.renew(name).query
        return browser

    def log_out(self, browser: OpBrowser) -> Waited:
        """Log out on the OP's own page."""
        question = browser.end_session()
        begun_at, begun = time.time(), time.perf_counter()
        page = browser.submit(question, "logout")
        return Waited(begun_at, time.perf_counter() - begun, page)

    def first_told_at(self, names: Sequence[str], since: float) -> dict[str, float]:
        """When healthy RPs got their first token since an instant; those that got none are not in it."""
        found: dict[str, float] = {}
        for request in self.faulty.received("ok"):
            name = request["path"].split("/")[3]
            if name in names and request["at"] >= since:
                found.setdefault(name, request["at"])
        return found

    def metrics(self) -> str:
        """What Prometheus is told."""
        return self.op.browser().get("/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"}).text


def _client(name: str, uri: str) -> dict[str, Any]:
    return {
        "client_id": name,
        "client_name": f"The RP {name}",
        "client_secret": f"secret of {name}",
        "redirect_uris": ["https://nowhere.example.com/cb"],
        "backchannel_logout_uri": uri,
        "consent": "skip",
    }


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 when somebody waited too long."""
    parser = argparse.ArgumentParser(description="Log out from 20 RPs, 5 of them faulty, and print how long the user waits.")
    parser.add_argument("--logouts", type=int, default=20)
    options = parser.parse_args(arguments)
    deadline_s = 2
    waits, tokens = [], []
    with tempfile.TemporaryDirectory() as text, serving_fault_rp() as faulty:
        # the breaker would spare the user the wait that is to be measured
        rps = FaultyRps(Path(text), faulty, f"{text}/keys.json", deadline=f"{deadline_s}s", breaker_failures=1_000_000)
        rps.op.start()
        try:
            for _ in range(options.logouts):
                waited = rps.log_out(rps.sign_in([*HEALTHY, *SILENT]))
                told_at = rps.first_told_at(HEALTHY, waited.begun_at)
                waits.append(waited.seconds - deadline_s)
                tokens += [told_at.get(name, float("inf")) - waited.begun_at for name in HEALTHY]
        finally:
            rps.op.close()
    waits.sort()
    print(f"answer after the deadline of {deadline_s} s: median {waits[len(waits) // 2] * 1000:.0f} ms, latest {waits[-1] * 1000:.0f} ms")
    print(f"the {len(HEALTHY)} healthy RPs were told within {max(tokens) * 1000:.0f} ms")
    return 0 if waits[-1] <= _ALLOWED_S and max(tokens) <= deadline_s else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

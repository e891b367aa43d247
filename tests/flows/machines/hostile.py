"""Hostile requests to a running OP: valid flows with every step spoilt, junk, and bytes that are no HTTP; every answer is looked at.

`python -m tests.flows.machines.hostile [--requests 100000] [--seed 1]` prints what was asked and answered,
and every finding with the request that brings it about. It ends with exit code 1 when there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.bundled_op import OUT_URIS
from tests.flows.machines.hostile_checks import problems
from tests.flows.machines.hostile_flows import FLOWS, PASSWORDS, Flow, Visitor
from tests.flows.machines.hostile_http import BadAnswer, Wire
from tests.flows.machines.hostile_mutations import Spoiler
from tests.flows.machines.hostile_pool import Pool
from tests.flows.machines.hostile_pressure import guess_in_parallel, keep_threads_busy
from tests.flows.machines.hostile_request import Request
from tests.flows.machines.hostile_server import HostileServer
from tests.flows.machines.hostile_wire import SMUGGLED, SMUGGLED_ANSWER, WAYS
from tests.wsgi_browser import Answer

_WORKERS = 4
_SHOWN = 3
_WARM_UP = 0.2
_MEMORY_GROWTH = 1.25


@dataclass
class Outcome:
    """What was asked and answered; `findings` holds, by what is wrong, the requests that it was seen with."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    good_statuses: Counter[int] = field(default_factory=Counter)
    memory_mb: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def total(self) -> int:
        """How many requests were sent."""
        return self.requests.total()

    def __str__(self) -> str:
        """The figures, a line each."""
        lines = [f"requests {self.total}"]
        lines += [f"  {endpoint:36} {count:>7}" for endpoint, count in self.requests.most_common()]
        lines += [
            f"statuses {_listed(self.statuses)}",
            f"  of {self.good_statuses.total()} requests as a good RP or browser sends them {_listed(self.good_statuses)}",
        ]
        lines.append("memory (MB) " + " ".join(f"{memory:.0f}" for memory in self.memory_mb))
        lines += self.notes
        lines.append(f"findings {len(self.findings)}")
        for problem, seen in self.findings.items():
            lines += [f"* {problem} ({len(seen)} times)", *(f"    {one}" for one in seen[:_SHOWN])]
        return "\n".join(lines)


def _listed(statuses: Counter[int]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))


class HostileRun:
    """Sends requests to one server from several threads, each with its own chance, visitor and connection."""

    def __init__(self, server: HostileServer, seed: int) -> None:
        self.outcome = Outcome()
        self._server = server
        self._seed = seed
        self._pool = Pool()
        self._lock = threading.Lock()
        self._left = 0

    def send(self, requests: int) -> Outcome:
        """Send so many requests and look at the memory ten times meanwhile, then see that the server is well."""
        for _ in range(10):
            self._left = requests // 10
            threads = [
                threading.Thread(target=self._work, args=(Random(f"{self._seed}/{len(self.outcome.memory_mb)}/{number}"),))
                for number in range(_WORKERS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if not self._server.is_running():
                self.outcome.findings["the server has ended"].append(self._server.op.log[-2000:])
                return self.outcome
            self.outcome.memory_mb.append(self._server.memory_mb)
        self._look_at_server()
        return self.outcome

    def _work(self, chance: Random) -> None:
        wire = Wire(self._server.op.port)
        visitor = self._visitor(chance)
        while self._left > 0:
            if chance.random() < 0.4:
                visitor = self._visitor(chance)
            flow = chance.choices(list(FLOWS), list(FLOWS.values()))[0]
            self._through(flow(visitor), visitor, wire)
            for _ in range(chance.choice([0, 5, 10])):
                self._ask(self._spoiler(chance).junk(), wire, chance)
        wire.close()

    def _visitor(self, chance: Random) -> Visitor:
        return Visitor(chance, self._server.op.issuer, self._server.metrics_token)

    def _spoiler(self, chance: Random) -> Spoiler:
        return Spoiler(chance, self._pool.known, self._pool.registered, self._server.trap)

    def _through(self, flow: Flow, visitor: Visitor, wire: Wire) -> None:
        """Go through a flow; before or after each of its requests send spoilt ones made of it."""
        chance = visitor.chance
        with contextlib.suppress(StopIteration):
            request = next(flow)
            while self._left > 0:
                spoilt = chance.choice([0, 0, 1, 2, 4, 8])
                before = chance.choice([0, spoilt])
                self._spoil(request, before, wire, chance)
                answer = self._ask(request, wire, chance)
                if answer is None:
                    return
                self._spoil(request, spoilt - before, wire, chance)
                visitor.keep(answer)
                request = flow.send(answer)

    def _spoil(self, request: Request, times: int, wire: Wire, chance: Random) -> None:
        for _ in range(times):
            if chance.random() < 0.1:
                self._ask_in_bytes(request, chance)
            else:
                self._ask(self._spoiler(chance).spoilt(request), wire, chance)

    def _ask(self, request: Request, wire: Wire, chance: Random) -> Answer | None:
        data = request.encode(f"localhost:{self._server.op.port}")
        self._count(request.endpoint)
        try:
            answer = wire.exchange(data, request.method)
        except BadAnswer as err:
            self._find(str(err), data)
            return None
        with self._lock:
            self.outcome.statuses[answer.status] += 1
            if not request.is_spoilt:
                self.outcome.good_statuses[answer.status] += 1
        try:
            self._pool.harvest(answer, chance)
            for problem in problems(request, answer, self._pool):
                self._find(f"{request.endpoint}: {problem}", data, answer)
        except Exception as err:  # noqa: BLE001 - an answer that cannot be read is a finding
            self._find(f"{request.endpoint}: unreadable: {err!r}"[:300], data, answer)
        return answer

    def _ask_in_bytes(self, request: Request, chance: Random) -> None:
        data = chance.choice(WAYS)(chance, request.encode(f"localhost:{self._server.op.port}"))
        self._count("bytes")
        try:
            answers = Wire(self._server.op.port).answers_until_closed(data)
        except BadAnswer as err:
            if "reset" not in str(err).lower():
                self._find(f"bytes: {err}", data)
            return
        for answer in answers:
            with self._lock:
                self.outcome.statuses[answer.status] += 1
            is_plain = (answer.header("Content-Type") or "").startswith("text/plain")
            if answer.status >= 500 and not (answer.status in (501, 505) and is_plain):
                self._find(f"bytes: status {answer.status}", data, answer)
            if SMUGGLED_ANSWER in answer.body and data.endswith(SMUGGLED):
                self._find("bytes: a smuggled request was answered", data, answer)

    def _count(self, endpoint: str) -> None:
        with self._lock:
            self._left -= 1
            self.outcome.requests[endpoint] += 1

    def _find(self, problem: str, data: bytes, answer: Answer | None = None) -> None:
        seen = f"{data[:1500]!r}" if answer is None else f"{data[:1500]!r} -> {answer.status} {answer.headers} {answer.body[:300]!r}"
        with self._lock:
            self.outcome.findings[problem].append(seen)

    def _look_at_server(self) -> None:
        """See that it still signs people in and out, has grown no more, called nobody, and told its log no secret."""
        findings, log = self.outcome.findings, self._server.op.log
        browser = self._server.browser("192.0.2.200")
        page = browser.follow(browser.submit(browser.login_page(), username="user0", password=PASSWORDS["user0"]))
        tokens = browser.redeem(page.query["code"]).json
        out = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])
        if out.location != OUT_URIS["web"] or browser.is_signed_in():
            findings["nobody can sign in and out any more"].append(str(out))
        if secrets := self._pool.found_in(log):
            findings["secrets in the log"] += secrets
        for line in log.splitlines():
            if "serving http" not in line and not _is_log_line(line):
                findings["a forged or broken line in the log"].append(line[:500])
        if "Traceback" in log:
            findings["a traceback in the log"].append(log[log.index("Traceback") - 500 :][:3000])
        if self._server.trapped:
            findings["the OP called an address of its own machine"].append(f"{self._server.trapped} times")
        warm = self.outcome.memory_mb[int(len(self.outcome.memory_mb) * _WARM_UP)]
        if self.outcome.memory_mb[-1] > warm * _MEMORY_GROWTH:
            findings["the memory grows"].append(f"{warm:.0f} MB after warm-up, {self.outcome.memory_mb[-1]:.0f} MB at the end")
        self.outcome.notes.append(f"log: {len(log.splitlines())} lines, looked through for {len(self._pool.secrets)} secrets")


def _is_log_line(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def main(arguments: Sequence[str]) -> int:
    """Run and print; 1 when anything was found."""
    parser = argparse.ArgumentParser(description="Send hostile requests to a running OP and look at every answer.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as text, HostileServer(Path(text)) as server:
        outcome = HostileRun(server, options.seed).send(options.requests)
        for note, finding in (guess_in_parallel(server), keep_threads_busy(server)):
            outcome.notes.append(note)
            if finding:
                outcome.findings[finding].append(note)
    print(f"{outcome}\n{time.monotonic() - begun:.0f} s")
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

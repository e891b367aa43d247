"""A server is killed at random points of logouts, or one of two on the same store: was every RP told of every session that ended?

`python -m tests.flows.machines.told_crash --logouts 1000 [--servers 2] [--engine redis] [--seed 1]` tries so many logouts
with 10 RPs each on each engine, and prints the counts.
It ends with exit code 1 when an RP of an ended session was never told, one of a live session was, or a token
was sent twice or was not fresh.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oic_session_ext.model import NoticeState
from oic_session_ext.server.app import build_server
from tests.bundled_op import CLIENTS, OUT_URIS, OpBrowser, make_settings
from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp
from tests.flows.machines.crash import THREADS, is_signed_out, log_out_until_killed
from tests.flows.machines.engine import NAMES, running_engine
from tests.flows.machines.forward import forward_to
from tests.flows.machines.running_op import RunningOp

RPS = 10
_WAIT_S = 120
_FRESH_S = 10
"""For how long a token may be on its way, on a machine that does other things too."""


@dataclass
class AtTenRps:
    """A browser with a session at every RP, the `sid` of each, and the ID Token of the first."""

    browser: OpBrowser
    op_session_id: str
    sids: list[str]
    id_token: str
    is_tried: bool = False
    is_acknowledged: bool = False


@dataclass
class NotifyStatus:
    """What the RPs were told after the kills; `broken` says what is wrong."""

    tried: int = 0
    acknowledged: int = 0
    ended: int = 0
    kills: int = 0
    rp_sessions: int = 0
    tokens: int = 0
    latest_s: float = 0
    broken: list[str] = field(default_factory=list)

    @property
    def duplicates(self) -> int:
        """How many tokens told an RP what it knew; what is told at least once may be told twice."""
        return self.tokens - self.rp_sessions

    def __str__(self) -> str:
        """The counts in one line."""
        counts = f"logouts tried {self.tried}, acknowledged {self.acknowledged}, ended {self.ended}, kills {self.kills}"
        told = f"RP sessions ended {self.rp_sessions}, tokens {self.tokens}, duplicates {self.duplicates}"
        return f"{counts}; {told}; oldest token at arrival {self.latest_s:.1f} s; broken {len(self.broken)}"


class ToldRun:
    """One engine, one or two servers of which one is killed again and again, and another one in this process that signs users in."""

    def __init__(
        self, folder: Path, store: str, keys_file: str, faulty: FaultRpProcess, chance: random.Random, *, name: str, servers: int = 1
    ) -> None:
        self.outcome = NotifyStatus()
        self._chance = chance
        self._faulty = faulty
        self._rp_of = f"{name}-{servers}"
        self._servers: list[RunningOp] = []
        for number in range(servers):
            (folder / f"server-{number}").mkdir()
            self._servers.append(RunningOp(folder / f"server-{number}"))
        settings: dict[str, Any] = {
            "issuer": self._servers[0].issuer,
            "store": store,
            "keys": keys_file,
            "secrets": {"file": str(folder / "secrets")},
            "clients": [self._client(number) for number in range(RPS)],
            "logout": {"backchannel": {"allow_networks": ["127.0.0.0/8"], "timeout": "1s", "lease": "6s"}},
        }
        for server in self._servers:
            server.configure(**settings)
        self._observer = build_server(make_settings(**settings))
        self._sessions: list[AtTenRps] = []

    def until(self, logouts: int, logouts_per_kill: int) -> NotifyStatus:
        """Try so many logouts, with a kill in the middle of about every `logouts_per_kill`; return what the RPs were told."""
        try:
            while (tried := sum(session.is_tried for session in self._sessions)) < logouts:
                waiting = [session for session in self._sessions if not session.is_tried]
                new = [self._sign_in() for _ in range(2 * logouts_per_kill - len(waiting))]
                self._sessions += new
                self._start()
                killed = self._chance.choice(self._servers)
                before_kill = self._chance.randint(1, min(2 * logouts_per_kill - 2 * THREADS, max(1, logouts - tried)))
                log_out_until_killed(killed, waiting + new, self._log_out, self._chance, before_kill)
                self.outcome.kills += 1
            if len(self._servers) == 1:  # of two, the other one tells what the killed one left
                self._start()
            self._wait_until_all_is_told()
            self._look()
        finally:
            for server in self._servers:
                server.close()
            self._observer.store.close()
        return self.outcome

    def _client(self, number: int) -> dict[str, Any]:
        uri = self._faulty.uri("ok", f"{self._rp_of}-{number}")
        if number == 0:
            return CLIENTS[0] | {"backchannel_logout_uri": uri}
        return CLIENTS[0] | {
            "client_id": f"rp-{number}",
            "redirect_uris": ["https://nowhere.example.com/cb"],
            "backchannel_logout_uri": uri,
        }

    def _start(self) -> None:
        dead = [server for server in self._servers if server.process is None or server.process.poll() is not None]
        with ThreadPoolExecutor() as threads:
            list(threads.map(RunningOp.start, dead))

    def _sign_in(self) -> AtTenRps:
        browser = OpBrowser(self._observer.application, self._servers[0].issuer)
        tokens = browser.sign_in("web")
        for number in range(1, RPS):
            assert "code" in browser.renew(f"rp-{number}").query
        session = self._observer.op.session_of(f"op_session={browser.jar['op_session']}")
        assert session is not None
        assert len(session.rp_sessions) == RPS
        return AtTenRps(browser, session.id, [rp.sid for rp in session.rp_sessions], tokens["id_token"])

    def _log_out(self, session: AtTenRps) -> bool:
        """Log out at one of the servers, as an RP asks for it, or as the user does on the OP's own page."""
        browser = OpBrowser(forward_to(self._chance.choice(self._servers).port), self._servers[0].issuer)
        browser.jar = dict(session.browser.jar)
        if self._chance.random() < 0.5:
            answer = browser.end_session(id_token_hint=session.id_token, post_logout_redirect_uri=OUT_URIS["web"])
            return is_signed_out(answer, RPS)
        question = browser.end_session()
        return question.status == 200 and is_signed_out(browser.submit(question, "logout"), RPS)

    def _wait_until_all_is_told(self) -> None:
        give_up_at = time.monotonic() + _WAIT_S
        while self._observer.store.notice_counts().get(NoticeState.PENDING, 0):
            assert time.monotonic() < give_up_at, self._observer.store.notices(10)
            time.sleep(0.1)

    def _look(self) -> None:
        """Compare what the RPs were sent with the sessions that have ended."""
        outcome, store = self.outcome, self._observer.store
        outcome.broken += [f"given up: {notice}" for notice in store.notices(10)]
        ended: set[str] = set()
        for session in self._sessions:
            is_ended = store.op_session(session.op_session_id) is None
            ended |= set(session.sids) if is_ended else set()
            outcome.tried += session.is_tried
            outcome.acknowledged += session.is_acknowledged
            outcome.ended += is_ended
            if is_ended < session.is_acknowledged or is_ended > session.is_tried:
                outcome.broken.append(f"ended: {is_ended}, tried: {session.is_tried}, acknowledged: {session.is_acknowledged}")
        requests = self._faulty.received("ok", self._rp_of)
        told = {request["sid"] for request in requests}
        outcome.rp_sessions, outcome.tokens = len(ended), len(requests)
        outcome.latest_s = max(abs(request["at"] - request["iat"]) for request in requests)
        outcome.broken += [f"never told: {sid}" for sid in ended - told] + [f"told, yet not ended: {sid}" for sid in told - ended]
        if (sent_again := len(requests) - len({request["jti"] for request in requests})) > 0:
            outcome.broken.append(f"{sent_again} tokens were sent again")
        outcome.broken += [f"not fresh: {request}" for request in requests if not -1 <= request["at"] - request["iat"] <= _FRESH_S]


def main(arguments: Sequence[str]) -> int:
    """Run and print; 1 when anything was broken."""
    parser = argparse.ArgumentParser(description="Kill a server at random points of logouts and count what the RPs were told.")
    parser.add_argument("--logouts", type=int, default=1000, help="how many are tried on each engine")
    parser.add_argument("--per-kill", type=int, default=20, help="about how many are tried for each kill")
    parser.add_argument("--servers", type=int, choices=(1, 2), action="append", help="both of them without it")
    parser.add_argument("--engine", choices=NAMES, action="append", help="may be given more than once; all of them without it")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}")
    is_good = True
    for servers in options.servers or (1, 2):
        for name in options.engine or NAMES:
            begun = time.monotonic()
            with tempfile.TemporaryDirectory() as text, running_engine(name, Path(text)) as engine, serving_fault_rp() as faulty:
                chance = random.Random(options.seed)
                run = ToldRun(Path(text), engine.url, f"{text}/keys.json", faulty, chance, name=name, servers=servers)
                outcome = run.until(options.logouts, options.per_kill)
            which = f"{name}, {servers} server{'s' if servers > 1 else ''}"
            print(f"{which}: {outcome}; {time.monotonic() - begun:.0f} s", *outcome.broken, sep="\n  ", flush=True)
            is_good = is_good and not outcome.broken
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

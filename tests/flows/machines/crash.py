"""The server is killed at random points of logouts: what became of every session, counted.

`python -m tests.flows.machines.crash --logouts 1000 [--engine redis] [--seed 1]` tries so many logouts on each engine
and prints the counts. It ends with exit code 1 when a session was left half ended, or an acknowledged logout did not take place.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol, TypeVar

from oic_session_ext.server.app import build_server
from oic_session_ext.sessions.op_session import ENDED_SID
from tests.bundled_op import OUT_URIS, OpBrowser, make_settings
from tests.flows.machines.engine import NAMES, running_engine
from tests.flows.machines.round_trips import ONLY_RECORDED, clients
from tests.flows.machines.running_op import RunningOp
from tests.wsgi_browser import Answer

THREADS = 4
_ANSWER_TIMEOUT_S = 20


class Tried(Protocol):
    """A session whose end may be asked for."""

    is_tried: bool
    is_acknowledged: bool


_Tried = TypeVar("_Tried", bound=Tried)


def log_out_until_killed(
    server: RunningOp, sessions: Iterable[_Tried], log_out: Callable[[_Tried], bool], chance: random.Random, before_kill: int
) -> None:
    """Log out in several threads at once; kill the server when `before_kill` were acknowledged, in the middle of the next ones.

    `log_out` tells whether it was answered with success.
    """
    is_over = threading.Event()
    left, lock = iter(sessions), threading.Lock()
    enough = threading.Semaphore(0)

    def work() -> None:
        while not is_over.is_set():
            with lock:
                session = next(left, None)
            if session is None:
                return
            session.is_tried = True
            try:
                session.is_acknowledged = log_out(session)
            except (OSError, HTTPException):
                continue
            if session.is_acknowledged:
                enough.release()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for _ in range(before_kill):
        assert enough.acquire(timeout=_ANSWER_TIMEOUT_S), "the server does not answer"
    _spin(chance.random() / 50)
    is_over.set()  # those under way are the ones that the kill meets
    server.kill()
    for thread in threads:
        thread.join()


def is_signed_out(answer: Answer, rps: int) -> bool:
    """Whether a logout was answered with success: by the redirect of `web`, or by a page that says of so many RPs what became of them."""
    return answer.location == OUT_URIS["web"] or answer.text.count('class="outcome') == rps


@dataclass
class SignedIn:
    """A browser with a session at two RPs, and what these have got."""

    browser: OpBrowser
    op_session_id: str
    tokens: list[dict[str, Any]]
    is_tried: bool = False
    is_acknowledged: bool = False


@dataclass
class Outcome:
    """What became of the logouts that were tried, and of the sessions that nobody touched; `broken` says what is wrong with which."""

    tried: int = 0
    acknowledged: int = 0
    kills: int = 0
    whole: int = 0
    ended: int = 0
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The counts in one line."""
        counts = f"logouts tried {self.tried}, acknowledged {self.acknowledged}, kills {self.kills}"
        return f"{counts}, sessions ended {self.ended}, whole {self.whole}, broken {len(self.broken)}"


class CrashRun:
    """One engine, one server that is killed again and again, and another one in this process that prepares sessions and looks at them."""

    def __init__(self, folder: Path, store: str, keys_file: str, chance: random.Random) -> None:
        settings: dict[str, Any] = {
            "store": store,
            "keys": keys_file,
            "secrets": {"file": str(folder / "secrets")},
            "clients": clients(),
            "logout": ONLY_RECORDED,
            "tokens": {"refresh_without_offline_access": True},
        }
        self.outcome = Outcome()
        self._chance = chance
        self._server = RunningOp(folder, **settings)
        self._observer = build_server(make_settings(**settings, issuer=self._server.issuer))
        self._waiting: list[SignedIn] = []

    def until(self, logouts: int, logouts_per_kill: int) -> Outcome:
        """Try so many logouts, with a kill in the middle of about every `logouts_per_kill`; return the counts."""
        try:
            while self.outcome.tried < logouts:
                self._waiting += [self._sign_in() for _ in range(2 * logouts_per_kill - len(self._waiting))]
                self._server.start()
                before_kill = self._chance.randint(1, 2 * logouts_per_kill - 2 * THREADS)
                log_out_until_killed(self._server, self._waiting, self._log_out, self._chance, before_kill)
                self.outcome.kills += 1
                self._look_at_all()
        finally:
            self._server.close()
            self._observer.store.close()
        return self.outcome

    def _sign_in(self) -> SignedIn:
        browser = OpBrowser(self._observer.application, self._server.issuer)
        tokens = [browser.sign_in("web"), browser.redeem(browser.renew("spa").query["code"], "spa").json]
        session = self._observer.op.session_of(f"op_session={browser.jar['op_session']}")
        assert session is not None
        return SignedIn(browser, session.id, tokens)

    def _log_out(self, session: SignedIn) -> bool:
        """Log out as an RP asks for it, or as the user does on the OP's own page; tell whether it was answered with success."""
        browser = self._server.browser()
        browser.jar = dict(session.browser.jar)
        if self._chance.random() < 0.5:
            hint = session.tokens[0]["id_token"]
            answer = browser.end_session(id_token_hint=hint, post_logout_redirect_uri=OUT_URIS["web"])
            return is_signed_out(answer, len(session.tokens))
        question = browser.end_session()
        return question.status == 200 and is_signed_out(browser.submit(question, "logout"), len(session.tokens))

    def _look_at_all(self) -> None:
        """Count what became of every session; those that nobody touched wait for the next round."""
        store = self._observer.store
        notices = Counter(notice.sid for notice in store.notices(1_000_000))
        for session in self._waiting:
            self.outcome.tried += session.is_tried
            self.outcome.acknowledged += session.is_acknowledged
            state = self._state_of(session, notices)
            if state == "ended":
                self.outcome.ended += 1
            elif state == "whole" and not session.is_acknowledged:
                self.outcome.whole += session.is_tried
            else:
                self.outcome.broken.append(f"{state}, acknowledged: {session.is_acknowledged}")
        self._waiting = [session for session in self._waiting if not session.is_tried]

    def _state_of(self, session: SignedIn, notices: Counter[str]) -> str:
        store = self._observer.store
        row = store.op_session(session.op_session_id)
        sids = [_claims(tokens["id_token"])["sid"] for tokens in session.tokens]
        found: dict[str, Any] = {
            "row": row is not None,
            "RP sessions": [store.op_session_id_of_sid(sid) == session.op_session_id for sid in sids],
            "signed in": session.browser.is_signed_in(),
            "access tokens": [session.browser.userinfo(tokens["access_token"]).status == 200 for tokens in session.tokens],
            "grants": bool(store.grant_ids("op_session_id", session.op_session_id, 10)),
            "notices": [notices[sid] for sid in sids],
            "remembered": [store.ephemeral(ENDED_SID, sid, int(time.time())) is not None for sid in sids],
        }
        if session.is_tried:  # a refresh token is good once
            found["refresh token"] = session.browser.refresh(session.tokens[0]["refresh_token"]).status == 200
        whole = all((found["row"], *found["RP sessions"], found["signed in"], *found["access tokens"], found["grants"]))
        if whole and found["notices"] == [0, 0] and not any(found["remembered"]) and found.get("refresh token", True):
            return "whole"
        alive = any((found["row"], *found["RP sessions"], found["signed in"], *found["access tokens"], found["grants"]))
        if not alive and found["notices"] == [1, 1] and all(found["remembered"]) and not found.get("refresh token", False):
            return "ended"
        return f"half: {found}"


def _claims(id_token: str) -> dict[str, Any]:
    body = id_token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _spin(seconds: float) -> None:
    """Wait for less than a sleep can."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def main(arguments: Sequence[str]) -> int:
    """Run and print; 1 when anything was broken."""
    parser = argparse.ArgumentParser(description="Kill the server at random points of logouts and count what became of the sessions.")
    parser.add_argument("--logouts", type=int, default=1000, help="how many are tried on each engine")
    parser.add_argument("--per-kill", type=int, default=20, help="about how many are tried for each kill")
    parser.add_argument("--engine", choices=NAMES, action="append", help="may be given more than once; all of them without it")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}")
    is_good = True
    for name in options.engine or NAMES:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as text, running_engine(name, Path(text)) as engine:
            run = CrashRun(Path(text), engine.url, f"{text}/keys.json", random.Random(options.seed))
            outcome = run.until(options.logouts, options.per_kill)
        print(f"{name}: {outcome}; {time.monotonic() - begun:.0f} s", *outcome.broken, sep="\n  ", flush=True)
        is_good = is_good and not outcome.broken
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

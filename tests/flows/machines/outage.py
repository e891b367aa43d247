"""The store's server is ended and started again while people use the OP: what they were answered, and whether it was true.

`python -m tests.flows.machines.outage --outages 20 [--engine redis]` prints the counts.
It ends with exit code 1 when anything but a true answer or a 503 was given, or when the OP does not resume by itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

from tests.bundled_op import OUT_URIS, OpBrowser
from tests.flows.machines.engine import Engine, running_engine
from tests.flows.machines.forward import forward_to
from tests.flows.machines.round_trips import ONLY_RECORDED, clients
from tests.flows.machines.running_op import RunningOp

SERVERS = ("postgresql", "redis")
_THREADS = 4
_PATIENCE_S = 60


class Unavailable(Exception):
    """The OP has answered 503."""


@dataclass(frozen=True)
class LoggedOut:
    """A logout that was answered with success: the cookies and tokens that it has ended."""

    jar: dict[str, str]
    access_token: str
    refresh_token: str


@dataclass
class Outcome:
    """What was answered while the store came and went; `broken` is what should never be."""

    outages: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    logouts: list[LoggedOut] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The counts in one line."""
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(self.answers.items()))
        return (
            f"outages {self.outages}, answers {{{answers}}}, logouts answered with success {len(self.logouts)}, broken {len(self.broken)}"
        )


class OutageRun:
    """One server on an engine, and browsers that sign in, use their sessions and sign out without end."""

    def __init__(self, folder: Path, engine: Engine, keys_file: str) -> None:
        self.outcome = Outcome()
        self.op = RunningOp(
            folder,
            store=engine.url,
            keys=keys_file,
            secrets={"file": str(folder / "secrets")},
            clients=clients(),
            logout=ONLY_RECORDED,
            tokens={"refresh_without_offline_access": True},
        )
        self.engine = engine
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._pid = 0

    def __enter__(self) -> Self:
        self.op.start()
        assert self.op.process is not None
        self._pid = self.op.process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self.op.close()

    def through(self, outages: int) -> Outcome:
        """Let people use the OP through so many outages, then see whether what they were told is true."""
        with ThreadPoolExecutor(_THREADS) as threads:
            uses = [threads.submit(self._use) for _ in range(_THREADS)]
            try:
                for _ in range(outages):
                    self._outage()
            finally:
                self._is_over.set()
            for use in uses:
                use.result()
        self._check()
        return self.outcome

    def _outage(self) -> None:
        known, refused = len(self.outcome.logouts), self.outcome.answers[503]
        self._until(lambda: len(self.outcome.logouts) > known + 1, "nobody can sign out")
        self.engine.end()
        self._until(lambda: self.outcome.answers[503] > refused + 2 * _THREADS, "requests without a store are not refused")
        if self.is_ready():
            self.outcome.broken.append("ready without a store")
        self.engine.start()
        self._until(self.is_ready, "not ready though the store is back")
        self.outcome.outages += 1

    def frozen(self, requests: int) -> float:
        """Freeze the store, send so many requests at once that need it; return after how many seconds the last was refused."""
        browsers = [self._browser() for _ in range(requests)]
        for browser in browsers:
            browser.sign_in()
        begun = time.monotonic()
        with self.engine.frozen(), ThreadPoolExecutor(requests) as threads:
            refused = list(threads.map(lambda browser: _is_refused(browser.renew), browsers))
            took_s = time.monotonic() - begun
        if not all(refused):
            self.outcome.broken.append("answered while the store was frozen")
        self._until(self.is_ready, "not ready though the store goes on")
        with ThreadPoolExecutor(requests) as threads:  # whatever was waited for has been given back
            if not all(threads.map(lambda browser: browser.is_signed_in(), browsers)):
                self.outcome.broken.append("not signed in after the store was frozen")
        return took_s

    def is_ready(self) -> bool:
        """Tell what `/health/ready` says."""
        return self.op.browser().get("/health/ready").status == 200

    def _browser(self) -> OpBrowser:
        return OpBrowser(self._watched, self.op.issuer)

    def _watched(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Ask the server and count the answer. Raises: Unavailable: it was a 503."""
        started: list[Any] = []
        try:
            body = list(forward_to(self.op.port)(environ, lambda *args: started.append(args)))
        except (OSError, HTTPException) as err:
            with self._lock:
                self.outcome.broken.append(f"{environ['PATH_INFO']}: {err!r}")
            raise Unavailable from err
        status = int(started[0][0][:3])
        with self._lock:
            self.outcome.answers[status] += 1
            if status >= 500 and status != 503:
                self.outcome.broken.append(f"{environ['PATH_INFO']}: {status}")
        if status == 503:
            raise Unavailable
        start_response(*started[0])
        return body

    def _use(self) -> None:
        while not self._is_over.is_set():
            browser = self._browser()
            try:
                tokens = browser.sign_in("web")
                browser.renew("spa")
                browser.userinfo(tokens["access_token"])
                session = LoggedOut(dict(browser.jar), tokens["access_token"], tokens["refresh_token"])
                out = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])
            except Unavailable:
                continue
            if out.status < 400 and "op_session" not in browser.jar:  # a redirect, or the page that says who is still being told
                self.outcome.logouts.append(session)
            else:
                self.outcome.broken.append(f"a logout was answered {out.status}")

    def _check(self) -> None:
        """See that every logout that was answered with success took place, that the process is the same, and told nobody of its insides."""
        for session in self.outcome.logouts:
            browser = self._browser()
            browser.jar = dict(session.jar)
            good = (
                browser.is_signed_in(),
                browser.userinfo(session.access_token).status == 200,
                browser.refresh(session.refresh_token).status == 200,
            )
            if any(good):
                self.outcome.broken.append(f"a logout was answered with success and did not take place: {good}")
        if self.op.process is None or self.op.process.poll() is not None or self.op.process.pid != self._pid:
            self.outcome.broken.append("the OP has ended")
        if "Traceback" in self.op.log:
            self.outcome.broken.append("a traceback in the log")

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        give_up_at = time.monotonic() + _PATIENCE_S
        while not holds():
            assert time.monotonic() < give_up_at, f"{otherwise}: {self.outcome} {self.outcome.broken[:3]}"
            time.sleep(0.02)


def _is_refused(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except Unavailable:
        return True
    return False


def main(arguments: Sequence[str]) -> int:
    """Run and print; 1 when anything was broken."""
    parser = argparse.ArgumentParser(description="End the store's server under load, again and again, and count what people are answered.")
    parser.add_argument("--outages", type=int, default=20, help="how often on each engine")
    parser.add_argument("--engine", choices=SERVERS, action="append", help="may be given more than once; all of them without it")
    options = parser.parse_args(arguments)
    is_good = True
    for name in options.engine or SERVERS:
        with (
            tempfile.TemporaryDirectory() as text,
            running_engine(name, Path(text)) as engine,
            OutageRun(Path(text), engine, f"{text}/keys.json") as run,
        ):
            took_s = run.frozen(2 * _THREADS)
            outcome = run.through(options.outages)
        print(f"{name}: {outcome}; frozen, all refused after {took_s:.1f} s", *outcome.broken, sep="\n  ", flush=True)
        is_good = is_good and not outcome.broken
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

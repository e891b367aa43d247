"""Measures OPs side by side with a given driver and prints one Markdown table: ours on each engine, and peers.

    python -m bench.run path/to/drive.py [--peers peers.json] [--n 200] [--rounds 3] [--preload 0]

The driver is started as `drive.py --name .. --issuer .. --client-id bench .. --pid .. --n .. --json FILE` against one running OP
at a time, and writes `{"steps": {"login": {"cpu_ms": .., "p50_ms": ..}, ..}}` to FILE. Every round starts each OP afresh; the table
shows the medians of the rounds. `peers.json` is a list of objects with `name`, `issuer`, `command` (a list), and optionally `cwd`,
`environment`, `setup` (a command that is run to its end first) and `warm_up` (true: a run that does not count comes first).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.flows.machines.engine import running_engine

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("login", "token", "sso", "iframe", "logout")
READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
# What conf/bench.yaml, conf/bench-memory.yaml and the peers agree on.
CLIENT = ["--client-id", "bench", "--client-secret", "bench-secret", "--redirect-uri", "http://rp.example.com/cb"]
CLIENT += ["--post-logout-redirect-uri", "http://rp.example.com/out", "--user", "alice", "--password", "wonderland"]

Costs = dict[str, float]
"""Milliseconds by step."""


@dataclass(frozen=True)
class Contender:
    """One OP and how it is started."""

    name: str
    issuer: str
    command: Sequence[str]
    cwd: str = str(ROOT)
    environment: dict[str, str] = field(default_factory=dict)
    setup: Sequence[str] = ()
    warm_up: bool = False


def ours(name: str, config: str) -> Contender:
    """The bundled server with one of the sample settings for benchmarks."""
    return Contender(name, "http://127.0.0.1:9104", [sys.executable, "-m", "oic_session_ext.cli", "serve", str(ROOT / "conf" / config)])


def ours_on(engine: str, url: str, folder: Path) -> Contender:
    """The bundled server with the settings of conf/bench.yaml on another store, which is a server process of its own."""
    settings = (ROOT / "conf" / "bench.yaml").read_text(encoding="utf-8")
    lines = [line for line in settings.splitlines() if not line.startswith("store:")]
    lines += [f"store: {json.dumps(url)}", f"secrets: {{file: {folder / 'secrets'}}}", f"keys: {folder / 'keys.json'}"]
    config = folder / f"{engine}.yaml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Contender(f"ours, {engine}", "http://127.0.0.1:9104", [sys.executable, "-m", "oic_session_ext.cli", "serve", str(config)])


def forget_earlier_runs() -> None:
    """Remove the database of conf/bench.yaml, so that every round begins with an empty one."""
    for file in (ROOT / "var" / "bench").glob("op.sqlite*"):
        file.unlink()


@contextmanager
def serving(contender: Contender) -> Iterator[int]:
    """Start an OP, give its process id once it answers, end it and all that it started."""
    environment = {**os.environ, **contender.environment}
    process = subprocess.Popen(contender.command, cwd=contender.cwd, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until_ready(contender, process)
        yield process.pid
    finally:
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP_TIMEOUT_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


def wait_until_ready(contender: Contender, process: subprocess.Popen[bytes]) -> None:
    """Return once the discovery document is there; end the whole run when it does not come."""
    url = contender.issuer + "/.well-known/openid-configuration"
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"{contender.name} does not answer at {url}")


def drive(driver: Path, contender: Contender, pid: int, n: int, preload: int) -> tuple[Costs, Costs]:
    """Run the driver once; return server CPU and median wall time by step."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, str(driver), "--name", contender.name, "--issuer", contender.issuer, *CLIENT, "--pid", str(pid)]
        command += ["--n", str(n), "--preload", str(preload), "--json", str(result)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{contender.name}: {done.stderr.strip() or done.stdout.strip()}")
        steps = json.loads(result.read_text(encoding="utf-8"))["steps"]
    return {name: row["cpu_ms"] for name, row in steps.items()}, {name: row["p50_ms"] for name, row in steps.items()}


def measure(driver: Path, contender: Contender, n: int, preload: int) -> tuple[Costs, Costs]:
    """Measure one OP, started afresh, in one round."""
    forget_earlier_runs()
    with serving(contender) as pid:
        if contender.warm_up:
            drive(driver, contender, pid, n, 0)
        return drive(driver, contender, pid, n, preload)


def table(names: Sequence[str], rounds: Sequence[Sequence[Costs]]) -> str:
    """The medians over the rounds as Markdown: a line per step, a column per OP, `-` where an OP has no such step."""
    lines = ["| step | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for step in STEPS:
        cells = []
        for position in range(len(names)):
            values = [costs[position][step] for costs in rounds if step in costs[position]]
            cells.append(f"{statistics.median(values):.2f}" if values else "-")
        lines.append(f"| {step} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print; 0 when every OP ran through."""
    parser = argparse.ArgumentParser(description="Measure OPs side by side.")
    parser.add_argument("driver", type=Path, help="the drive.py that plays the browsers")
    parser.add_argument("--peers", type=Path, help="a JSON file with the commands that start peers")
    parser.add_argument("--n", type=int, default=200, help="browsers per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--preload", type=int, default=0, help="sessions that are signed in before, and stay")
    options = parser.parse_args()
    with ExitStack() as running:
        contenders = [ours("ours, SQLite", "bench.yaml"), ours("ours, memory", "bench-memory.yaml")]
        for engine in ("postgresql", "redis"):
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            store = running.enter_context(running_engine(engine, folder))
            contenders.append(ours_on(engine, store.url, folder))
        compare(contenders, options)
    return 0


def compare(contenders: list[Contender], options: argparse.Namespace) -> None:
    """Measure these and the peers that the options name, and print."""
    if options.peers is not None:
        contenders += [Contender(**peer) for peer in json.loads(options.peers.read_text(encoding="utf-8"))]
    for contender in contenders:
        if contender.setup:
            subprocess.run(contender.setup, cwd=contender.cwd, env={**os.environ, **contender.environment}, check=True)
    cpu: list[list[Costs]] = []
    wall: list[list[Costs]] = []
    for _ in range(options.rounds):
        measured = [measure(options.driver.resolve(), contender, options.n, options.preload) for contender in contenders]
        cpu.append([costs for costs, _ in measured])
        wall.append([costs for _, costs in measured])
    names = [contender.name for contender in contenders]
    print(f"{options.n} browsers, {options.preload} sessions before, median of {options.rounds} rounds.\n")
    print("Server CPU in ms per step:\n\n" + table(names, cpu))
    print("\nWall time in ms per step (median), one request at a time:\n\n" + table(names, wall))


if __name__ == "__main__":
    sys.exit(main())

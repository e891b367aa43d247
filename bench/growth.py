"""Measures what a login, a silent sign-in and a logout cost with few OP sessions in the store, and with very many.

    python -m bench.growth [--sessions 1000 100000 1000000] [--engine sqlite] [--rounds 100] [--seed 1]

For each engine it makes a store of each size, all at once, and goes through them in turns, in an order that changes: so whatever else
the machine does meets all of them alike. The OPs are started anew a few times, as the luck of one process (where its memory lies, which
core it gets) is as large as what is looked for. It prints two tables: whole requests to a server (`growth_of_requests.py`), and the use
cases on the store alone, with old sessions (`growth_of_stores.py`).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.filled_stores import FILL_BATCH, ROW, Filled, filled_store, places
from bench.growth_of_requests import RequestSteps
from bench.growth_of_stores import StoreSteps

ENGINES = ("sqlite", "postgresql", "redis", "memory")
STEPS = ("login", "sso", "logout")
BATCH = 20
LIVES = 10
WARM_UP = 2


class Steps(Protocol):
    """The measured steps on a filled store."""

    steps: Mapping[str, Callable[[], None]]

    def cpu_s(self) -> float:
        """Return the CPU time of the steps so far, without that of the store's server."""

    def renew(self) -> None:
        """Restart the process that runs the steps."""

    def close(self) -> None:
        """Close the resources of the steps."""


@dataclass
class Measured:
    """Milliseconds of each step on a filled store: wall time, and mean CPU time of each batch, in total and of the store's server."""

    filled: Filled
    wall_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    server_cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def measure(self, of: Steps) -> None:
        """Run each step a few times in a row."""
        place = self.filled.place
        for name in STEPS:
            server_cpu_s, cpu_s = place.cpu_s(), of.cpu_s()
            for _ in range(BATCH):
                begun = time.perf_counter()
                of.steps[name]()
                self.wall_ms[name].append((time.perf_counter() - begun) * 1000)
            cpu_ms = (of.cpu_s() - cpu_s) / BATCH * 1000
            server_cpu_ms = (place.cpu_s() - server_cpu_s) / BATCH * 1000
            self.cpu_ms[name].append(cpu_ms + server_cpu_ms)
            self.server_cpu_ms[name].append(server_cpu_ms)


def measure(stores: Sequence[Filled], steps_of: Callable[[Filled], Steps], rounds: int, chance: random.Random) -> list[Measured]:
    """Measure all stores in turns for a number of rounds; the first rounds of each process are warm-up and do not count."""
    pairs = [(Measured(filled), steps_of(filled)) for filled in stores]
    try:
        for _ in range(LIVES):
            for _, of in pairs:
                of.renew()
            for number in range(WARM_UP + rounds // LIVES):
                for measured, of in chance.sample(pairs, len(pairs)):
                    (measured if number >= WARM_UP else Measured(measured.filled)).measure(of)
    finally:
        for _, of in pairs:
            of.close()
    return [measured for measured, _ in pairs]


def measure_engine(engine: str, sizes: Sequence[int], rounds: int, chance: random.Random) -> tuple[list[Measured], list[Measured]]:
    """Fill a store of each size; measure requests, and then the use cases without HTTP."""
    print(engine, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder, places(engine, Path(folder)) as make_place:
        stores = [filled_store(make_place(size), size, FILL_BATCH[engine]) for size in sizes]
        requests = [] if engine == "memory" else measure(stores, RequestSteps, rounds, chance)
        uses = measure(stores, lambda filled: StoreSteps(filled, chance), rounds, chance)
        for filled in stores:
            filled.store.close()
    return requests, uses


def table(engines: Mapping[str, Sequence[Measured]]) -> str:
    """Return the medians in Markdown, and the extra cost of the largest store over the smallest."""
    lines = [
        "| engine | sessions | login: ms, CPU ms | sso: ms, CPU ms | logout: ms, CPU ms | the server's CPU | bytes each | filled in |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for engine, stores in engines.items():
        for one in stores:
            steps = [f"{_median(one.wall_ms[step])}, {_median(one.cpu_ms[step])}" for step in STEPS]
            server = ", ".join(_median(one.server_cpu_ms[step]) for step in STEPS)
            filled = one.filled
            lines.append(
                f"| {engine} | {filled.sessions:,} | {' | '.join(steps)} | {server} | {filled.bytes_each:,.0f} | {filled.fill_s:.0f} s |"
            )
        first, last = stores[0], stores[-1]
        growth = [f"{_growth(first.wall_ms[step], last.wall_ms[step])}, {_growth(first.cpu_ms[step], last.cpu_ms[step])}" for step in STEPS]
        more_bytes = _growth([first.filled.bytes_each], [last.filled.bytes_each])
        lines.append(f"| {engine} | last to first | {' | '.join(growth)} | | {more_bytes} | |")
    return "\n".join(lines)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f}"


def _growth(first: Sequence[float], last: Sequence[float]) -> str:
    return f"{(statistics.median(last) / statistics.median(first) - 1) * 100:+.0f} %"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what a store costs with few sessions and with very many.")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="how many OP sessions, smallest first")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="may be given more than once; all of them without it")
    parser.add_argument("--rounds", type=int, default=100, help=f"of {BATCH} logins, silent sign-ins and logouts for each size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-most", type=int, default=100_000, help="how many sessions the memory engine is filled with at most")
    options = parser.parse_args()
    options.rounds = LIVES * max(1, options.rounds // LIVES)  # as many in each life
    requests, uses = {}, {}
    for engine in options.engine or ENGINES:
        sizes = [size for size in options.sessions if engine != "memory" or size <= options.memory_most]
        chance = random.Random(options.seed)  # noqa: S311 -- it picks sessions
        of_requests, uses[engine] = measure_engine(engine, sizes, options.rounds, chance)
        if of_requests:
            requests[engine] = of_requests
    print(f"Medians of {options.rounds} rounds of {BATCH}; a grant's row has {len(json.dumps(ROW))} bytes.\n")
    print("Whole requests, the sessions that came last:\n\n" + table(requests))
    print("\nThe use cases on the store alone, old sessions picked at random:\n\n" + table(uses))
    return 0


if __name__ == "__main__":
    sys.exit(main())

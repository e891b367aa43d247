"""Which defect of pyoidc 1.7.0 is shown by which tests: `tests/defects.csv` has the defects, the marker `defect` the tests.

`make defects` prints the table, which `docs/defects.md` keeps. The tests are read, not run; that each one runs on pyoidc as it comes and on
ours is seen by the fixtures that it takes.
"""

from __future__ import annotations

import ast
import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFECTS = ROOT / "tests" / "defects.csv"
TESTS = ROOT / "tests" / "provider"

PYOIDC, HARDENING, SESSIONS = "pyoidc", "hardening alone", "session management alone"
EVERYTHING, SERVER = "both mixins", "bundled server"
_SHOWN_ON: Mapping[str, tuple[str, ...]] = {
    "either": (PYOIDC, HARDENING, EVERYTHING),
    "logout_op": (PYOIDC, SESSIONS, EVERYTHING),
    "stock": (PYOIDC,),
    "their_login": (PYOIDC,),
    "make_op": (EVERYTHING,),
    "our_login": (SERVER,),
}
"""The fixtures that give a test its OP, or its login page, and what they give."""

_HEADER = """\
# Defects of pyoidc, closed

<!-- Written by `make docs` from `tests/defects.csv` and the tests' `defect` markers; do not edit. -->

What pyoidc 1.7.0 does as it comes, and the tests that show it: each one runs the same steps on pyoidc's own provider, where it
finds the defect, and on ours, where it does not. Part 2 is about sessions and logout, which `SessionManagementMixin` replaces;
part 3 about everything around them, which `HardeningMixin` closes without it. The login page (3.22) is the bundled server's; an
OP with a login page of its own has to see to that itself.

| row | what pyoidc does | closed with | tests in `tests/provider` |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect; `reason` says why no test shows it, empty where one must."""

    row: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A test, by file and name, and what it runs on."""

    test: str
    runs_on: tuple[str, ...]


def read_defects(file: Path = DEFECTS) -> list[Defect]:
    """Return the defects in the order of the file."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [Defect(**row) for row in csv.DictReader(lines)]


def marked_tests(folder: Path = TESTS) -> dict[str, list[Shown]]:
    """Return the tests that show each row, in the order of files and lines."""
    found: defaultdict[str, list[Shown]] = defaultdict(list)
    for file in sorted(folder.rglob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for row in _rows(node):
                    found[row].append(Shown(f"{file.name}::{node.name}", _runs_on(node)))
    return found


def defect_table(defects: Sequence[Defect], tests: Mapping[str, Sequence[Shown]]) -> str:
    """Return the page of all defects, each with its tests, the reason why it has none, or the word OPEN."""
    rows = []
    for one in defects:
        shown = tests.get(one.row, ())
        closed_with = ", ".join(dict.fromkeys(where for test in shown for where in test.runs_on if where != PYOIDC))
        names = "<br>".join(f"`{test.test}`" for test in shown)
        rows.append(f"| {one.row} | {one.what} | {closed_with} | {names or one.reason or '**OPEN**'} |\n")
    closed = sum(one.row in tests for one in defects)
    return f"{_HEADER}{''.join(rows)}\nrows closed {closed} of {len(defects)}\n"


def faults(defects: Sequence[Defect], tests: Mapping[str, Sequence[Shown]]) -> list[str]:
    """Return what is wrong with the table, one sentence each; nothing is as it should be."""
    known = Counter(one.row for one in defects)
    found = [f"{row} is in the list more than once" for row, number in known.items() if number > 1]
    found += [f"{row} is not in the list of defects: {tests[row][0].test}" for row in tests if row not in known]
    found += [f"{one.row} has neither a test nor a reason" for one in defects if one.row not in tests and not one.reason]
    found += [f"{one.row} has a reason to have no test, and a test" for one in defects if one.row in tests and one.reason]
    for row, shown in tests.items():
        found += [f"{row}: {one.test} does not run on pyoidc as it comes" for one in shown if PYOIDC not in one.runs_on]
        found += [f"{row}: {one.test} runs on nothing of ours" for one in shown if set(one.runs_on) <= {PYOIDC}]
        if row.startswith("3") and not {HARDENING, SERVER} & {where for one in shown for where in one.runs_on}:
            found.append(f"{row} is not shown to be closed by the hardening alone")
    return found


def main() -> int:
    """Print the table, then what is wrong on the error stream; return 1 when something is."""
    defects, tests = read_defects(), marked_tests()
    print(defect_table(defects, tests), end="")
    wrong = faults(defects, tests)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


def _rows(test: ast.FunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.defect":
            for argument in decorator.args:
                yield str(ast.literal_eval(argument))


def _runs_on(test: ast.FunctionDef) -> tuple[str, ...]:
    taken = [argument.arg for argument in test.args.args]
    return tuple(dict.fromkeys(where for name in taken for where in _SHOWN_ON.get(name, ())))


if __name__ == "__main__":
    raise SystemExit(main())

"""Which clause of the specifications is shown by which test: `tests/clauses.csv` has the clauses, the marker `spec` the tests.

`make coverage-of-clauses` prints the table, which `docs/clauses.md` keeps. The tests are read, not run.
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
CLAUSES = ROOT / "tests" / "clauses.csv"
CONTRACT = ROOT / "oic_session_ext" / "testing" / "store_contract.py"
"""The tests that every store engine inherits."""

_HEADER = """\
# Clause coverage

<!-- Written by `make docs` from `tests/clauses.csv` and the tests' `spec` markers; do not edit. -->

What the specifications ask of an OP, and of the example RPs, and the tests that show it. OIDCC is OpenID Connect Core 1.0, OIDCREG Dynamic
Client Registration, OIDCD Discovery, OIDCSM Session Management, OIDCRIL RP-Initiated, OIDCFCL Front-Channel, OIDCBCL Back-Channel Logout.

MUST, SHOULD and MAY are the specification's own words; PROSE is what it says without one of them, BCP is general security guidance, PROJECT
is a rule of this project where the specifications are silent. IDs begin with MD for discovery, REG registration, SID what ends with
a session, CO Core, SM session management, RI, FC and BC the ways of logout, SEC security, RP relying parties, WR what OPs are often seen
to do wrong, PY what pyoidc does, P what this project promises.

| ID | level | clause | what it asks | tests | the first test, or why there is none |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Clause:
    """One requirement; `reason` says why no test shows it, empty where one must."""

    id: str
    level: str
    clause: str
    asks: str
    reason: str


def read_clauses(file: Path = CLAUSES) -> list[Clause]:
    """Return the requirements in the order of the file."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [Clause(**row) for row in csv.DictReader(lines)]


def marked_tests(files: Sequence[Path] | None = None) -> dict[str, list[str]]:
    """Return the tests that show each requirement, in the order of files and lines; files without tests may be among them.

    Raises: ValueError: a marker stands where it marks no test, or its IDs are not plain text.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in files or [*sorted((ROOT / "tests").rglob("test_*.py")), CONTRACT]:
        text = file.read_text(encoding="utf-8")
        if "mark.spec(" not in text:
            continue
        tree = ast.parse(text)
        name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name
        placed = 0
        for test, decorators in _tests(tree):
            markers = [marker for decorator in decorators for marker in _markers(decorator)]
            placed += len(markers)
            for requirement in dict.fromkeys(requirement for marker in markers for requirement in _ids(marker, name)):
                found[requirement].append(f"{name}::{test}")
        if placed != len(list(_markers(tree))):
            raise ValueError(f"{name}: a spec marker marks no test function")
    return found


def coverage_table(clauses: Sequence[Clause], tests: Mapping[str, Sequence[str]]) -> str:
    """Return the page of all clauses, each with its tests, the reason why it has none, or the word UNCOVERED."""
    rows = []
    for one in clauses:
        shown_by = tests.get(one.id, ())
        last = f"`{shown_by[0]}`" if shown_by else one.reason or "**UNCOVERED**"
        rows.append(f"| {one.id} | {one.level} | {one.clause} | {one.asks} | {len(shown_by) or ''} | {last} |\n")
    counts = Counter(_state(one, tests) for one in clauses)
    summary = f"{counts['covered']} covered, {counts['reasoned']} with a reason, {counts['uncovered']} uncovered."
    return f"{_HEADER}{''.join(rows)}\n{summary}\n"


def faults(clauses: Sequence[Clause], tests: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is wrong with the coverage, one sentence each; nothing is as it should be."""
    known = Counter(one.id for one in clauses)
    found = [f"{requirement} is in the list more than once" for requirement, number in known.items() if number > 1]
    found += [f"{requirement} is not in the list of clauses: {tests[requirement][0]}" for requirement in tests if requirement not in known]
    found += [f"{one.id} has neither a test nor a reason" for one in clauses if _state(one, tests) == "uncovered"]
    found += [f"{one.id} has a reason to have no test, and a test" for one in clauses if one.reason and one.id in tests]
    return found


def main() -> int:
    """Print the table, then what is wrong on the error stream; return 1 when something is."""
    clauses, tests = read_clauses(), marked_tests()
    print(coverage_table(clauses, tests), end="")
    wrong = faults(clauses, tests)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


def _state(clause: Clause, tests: Mapping[str, Sequence[str]]) -> str:
    if clause.id in tests:
        return "covered"
    return "reasoned" if clause.reason else "uncovered"


def _tests(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield the test functions and methods with their decorators, in order."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, node.decorator_list
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name.startswith("test_"):
                    yield f"{node.name}::{method.name}", method.decorator_list


def _markers(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.spec":
            yield node


def _ids(marker: ast.Call, file: str) -> Iterator[str]:
    for argument in marker.args:
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            raise ValueError(f"{file}: line {marker.lineno}: the ID of a requirement is plain text")  # noqa: TRY004 what is wrong is a file
        yield argument.value


if __name__ == "__main__":
    raise SystemExit(main())

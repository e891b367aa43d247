"""Every clause has a test or a reason, every marker a clause, and the documentation says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clause_coverage import ROOT, Clause, coverage_table, faults, marked_tests, read_clauses

LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "PROSE", "BCP", "PROJECT"}
SHOWN = Clause("A-01", "MUST", "X-1", "asks this", "")
EXCUSED = Clause("A-02", "MAY", "X-2", "asks that", "not here")
BARE = Clause("A-03", "MUST", "X-3", "asks more", "")


@pytest.fixture(scope="module")
def tests() -> dict[str, list[str]]:
    return marked_tests()


def test_every_clause_has_a_test_or_a_reason_and_every_marker_a_clause(tests: dict[str, list[str]]) -> None:
    assert not faults(read_clauses(), tests)


def test_the_documentation_has_the_table_of_today(tests: dict[str, list[str]]) -> None:
    written = (ROOT / "docs" / "clauses.md").read_text("utf-8")

    assert written == coverage_table(read_clauses(), tests), "run: python -m tests.clause_coverage > docs/clauses.md"


def test_every_clause_says_how_strict_it_is_and_what_it_asks() -> None:
    for one in read_clauses():
        assert one.level in LEVELS, one
        assert one.asks, one
        assert bool(one.clause) == (one.level != "PROJECT"), one
        assert "|" not in one.asks + one.reason, one


def test_what_is_neither_shown_nor_excused_is_a_fault() -> None:
    assert faults([SHOWN, EXCUSED, BARE], {"A-01": ["t.py::test_a"]}) == ["A-03 has neither a test nor a reason"]
    assert "**UNCOVERED**" in coverage_table([BARE], {})
    assert coverage_table([SHOWN, EXCUSED, BARE], {"A-01": ["t.py::test_a"]}).endswith("1 covered, 1 with a reason, 1 uncovered.\n")


def test_an_unknown_id_a_doubled_one_and_an_idle_reason_are_faults() -> None:
    assert faults([SHOWN], {"A-01": ["t.py::test_a"], "B-01": ["t.py::test_b"]}) == ["B-01 is not in the list of clauses: t.py::test_b"]
    assert faults([EXCUSED, EXCUSED], {}) == ["A-02 is in the list more than once"]
    assert faults([EXCUSED], {"A-02": ["t.py::test_a"]}) == ["A-02 has a reason to have no test, and a test"]


def test_a_row_names_the_first_test_and_how_many_there_are() -> None:
    table = coverage_table([SHOWN, EXCUSED], {"A-01": ["t.py::test_a", "t.py::test_b"]})

    assert "| A-01 | MUST | X-1 | asks this | 2 | `t.py::test_a` |\n| A-02 | MAY | X-2 | asks that |  | not here |\n" in table


def test_markers_are_read_from_functions_and_from_classes(tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(
        'import pytest\n@pytest.mark.spec("A-01", "A-02")\ndef test_a(): ...\n'
        'class TestB:\n    @pytest.mark.spec("A-01")\n    @pytest.mark.skip\n    def test_c(self): ...\n'
    )

    assert marked_tests([file]) == {"A-01": ["test_some.py::test_a", "test_some.py::TestB::test_c"], "A-02": ["test_some.py::test_a"]}


@pytest.mark.parametrize(
    "text",
    [
        'pytestmark = pytest.mark.spec("A-01")\n',
        '@pytest.mark.spec("A-01")\ndef helper(): ...\n',
        'IDS = "A-01"\n@pytest.mark.spec(IDS)\ndef test_a(): ...\n',
    ],
    ids=["on a module", "on no test", "not plain text"],
)
def test_a_marker_that_would_be_miscounted_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"test_some\.py: "):
        marked_tests([file])

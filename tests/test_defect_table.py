"""Every defect of pyoidc has a test that runs on both, every marker a defect, and the documentation says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.defect_table import (
    EVERYTHING,
    HARDENING,
    PYOIDC,
    ROOT,
    SESSIONS,
    Defect,
    Shown,
    defect_table,
    faults,
    marked_tests,
    read_defects,
)

KNOWN = Defect("3.1", "does this", "")
SHOWN = Shown("test_x.py::test_it", (PYOIDC, HARDENING, EVERYTHING))


@pytest.fixture(scope="module")
def tests() -> dict[str, list[Shown]]:
    return marked_tests()


def test_every_defect_is_closed_and_every_marker_is_of_one(tests: dict[str, list[Shown]]) -> None:
    assert not faults(read_defects(), tests)


def test_the_documentation_has_the_table_of_today(tests: dict[str, list[Shown]]) -> None:
    written = (ROOT / "docs" / "defects.md").read_text("utf-8")

    assert written == defect_table(read_defects(), tests), "run: python -m tests.defect_table > docs/defects.md"


@pytest.mark.parametrize(
    ("defects", "shown", "says"),
    [
        pytest.param([KNOWN], {}, "3.1 has neither a test nor a reason", id="open"),
        pytest.param([KNOWN], {"3.1": [SHOWN], "9.9": [SHOWN]}, "9.9 is not in the list", id="a marker of nothing"),
        pytest.param([KNOWN, KNOWN], {"3.1": [SHOWN]}, "3.1 is in the list more than once", id="twice"),
        pytest.param([Defect("3.1", "does this", "why")], {"3.1": [SHOWN]}, "a reason to have no test, and a test", id="both"),
        pytest.param([KNOWN], {"3.1": [Shown("t", (HARDENING,))]}, "does not run on pyoidc", id="ours alone"),
        pytest.param([KNOWN], {"3.1": [Shown("t", (PYOIDC,))]}, "runs on nothing of ours", id="theirs alone"),
        pytest.param([KNOWN], {"3.1": [Shown("t", (PYOIDC, EVERYTHING))]}, "by the hardening alone", id="not with the hardening alone"),
    ],
)
def test_what_is_wrong_is_said(defects: list[Defect], shown: dict[str, list[Shown]], says: str) -> None:
    assert says in "\n".join(faults(defects, shown))


def test_a_table_counts_what_is_closed_and_names_what_is_open() -> None:
    table = defect_table([KNOWN, Defect("3.2", "does that", ""), Defect("3.3", "did", "gone")], {"3.1": [SHOWN]})

    assert "| 3.1 | does this | hardening alone, both mixins | `test_x.py::test_it` |" in table
    assert "| 3.2 | does that |  | **OPEN** |" in table
    assert "| 3.3 | did |  | gone |" in table
    assert table.endswith("rows closed 1 of 3\n")


def test_markers_are_read_with_what_the_test_runs_on(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text('import pytest\n\n\n@pytest.mark.defect("1.1", "1.2")\ndef test_one(clock, logout_op): ...\n')

    found = marked_tests(tmp_path)

    assert found == {row: [Shown("test_a.py::test_one", (PYOIDC, SESSIONS, EVERYTHING))] for row in ("1.1", "1.2")}

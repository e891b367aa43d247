"""The architecture decision records: number, status and date of each, and their index."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

ADR = Path(__file__).resolve().parents[1] / "docs" / "adr"
INDEX = ADR / "README.md"
RECORDS = sorted(file for file in ADR.glob("*.md") if file != INDEX)
STATUS = re.compile(r"proposed|accepted|((partly )?superseded by \d{4}( \([^)]+\))?((, | and )\d{4}( \([^)]+\))?)*)")

every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda file: file.stem)


def header(record: Path, field: str) -> str | None:
    """The value of a field of the header, which stands between the title and the first heading."""
    found = re.search(rf"^- {field}: (.+)$", record.read_text(encoding="utf-8").partition("\n## ")[0], re.MULTILINE)
    return found[1] if found else None


def title(record: Path) -> str:
    return record.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


@every_record
def test_a_record_has_a_status(record: Path) -> None:
    assert STATUS.fullmatch(header(record, "Status") or "")


@every_record
def test_a_superseding_record_exists(record: Path) -> None:
    numbers = re.findall(r"\b\d{4}\b", header(record, "Status") or "")

    assert not [number for number in numbers if not list(ADR.glob(f"{number}-*.md"))]


@every_record
def test_a_record_has_a_date(record: Path) -> None:
    assert date.fromisoformat(header(record, "Date") or "")


@every_record
def test_the_title_of_a_record_begins_with_the_number_of_its_file(record: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+", record.stem)
    assert title(record).startswith(f"{record.stem[:4]} ")


def test_no_two_records_have_the_same_number() -> None:
    numbers = [record.name[:4] for record in RECORDS]

    assert len(set(numbers)) == len(numbers)


def test_the_index_lists_every_record_in_order_by_its_title() -> None:
    lines = re.findall(r"^- \[(.+)\]\((.+)\)$", INDEX.read_text(encoding="utf-8"), re.MULTILINE)

    assert lines == [(title(record), record.name) for record in RECORDS]

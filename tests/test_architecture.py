"""docs/architecture.md names files and functions that exist, and its three ways are as short as it claims."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "oic_session_ext"
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PARTICIPANTS = re.findall(r"participant \w+ as (\S+\.py) (\w+)", DOCUMENT)
FILES = sorted({name for name in re.findall(r"\b((?:\w+/)*\w+\.py)\b", DOCUMENT) if not name.startswith("test")})


def defined_in(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_it_names_exists(name: str) -> None:
    assert (PACKAGE / name).exists() or (PACKAGE / "store" / name).exists() or (ROOT / name).exists()


@pytest.mark.parametrize(("file", "name"), PARTICIPANTS)
def test_every_participant_is_defined_in_its_file(file: str, name: str) -> None:
    assert name in defined_in(PACKAGE / file)


def test_it_draws_three_ways() -> None:
    assert DOCUMENT.count("sequenceDiagram") == 3


@pytest.mark.parametrize("way", DOCUMENT.split("sequenceDiagram")[1:], ids=["end_session", "authorization", "token"])
def test_the_first_decision_is_at_most_four_files_from_the_route(way: str) -> None:
    """The last participant before the first answer decides."""
    calls = way.split("-->>", 1)[0]
    order = re.findall(r"participant (\w+) as (\S+)", way)
    reached = set(re.findall(r"->>(\w+):", calls))

    files = {file for name, file in order if name in reached} | {order[0][1]}
    until_decision = [file for name, file in order if name in ("route", "mixin", "hardened", "endpoint", "decision", "check")]

    assert len(until_decision) <= 4
    assert set(until_decision) <= files


def test_every_folder_of_the_package_is_in_its_table() -> None:
    folders = {entry.name for entry in PACKAGE.iterdir() if (entry / "__init__.py").exists()} - {"testing"}

    assert {folder for folder in folders if f"`{folder}/`" not in DOCUMENT} == set()

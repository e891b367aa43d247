"""Every module of the plans is played by a test, and every test names a module that there is."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from tests.certification.plans import PLANS
from tests.flows.machines.running_op import ROOT

PLAYED = set(
    chain.from_iterable(re.findall(r'mark\.module\("([^"]+)"\)', file.read_text()) for file in Path(__file__).parent.glob("test_*.py"))
)
DOCUMENT = (ROOT / "docs" / "certification.md").read_text("utf-8")


@pytest.mark.parametrize("plan", PLANS)
def test_every_module_of_a_plan_is_played(plan: str) -> None:
    assert PLANS[plan] - PLAYED == set()


def test_every_test_names_a_module_that_there_is() -> None:
    assert PLAYED - set(chain.from_iterable(PLANS.values())) == set()


@pytest.mark.parametrize("plan", PLANS)
def test_the_document_names_the_plan_and_how_many_modules_it_has(plan: str) -> None:
    (row,) = [line for line in DOCUMENT.splitlines() if line.startswith("|") and f"`{plan}`" in line]

    assert str(len(PLANS[plan])) in row.split("|")[2].split(" ") or "the same" in row

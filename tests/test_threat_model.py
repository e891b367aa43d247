"""The threat model names tests that there are, and has one for each threat."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODEL = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in MODEL.partition("## What is done against what")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| threat ")
]


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:tests|oic_session_ext|conf)/[\w/.-]+)`", MODEL)

    assert len(named) > 60
    assert not [name for name in named if not (ROOT / name).is_file()]


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat[0])
def test_every_threat_has_somebody_to_fear_something_done_and_a_test(threat: list[str]) -> None:
    _, attackers, defence, shown_by = threat

    assert set(attackers.split()) <= set("NSRUOB")
    assert defence
    assert re.search(r"`tests/[\w/]*test_\w+\.py`", shown_by)


@pytest.mark.parametrize(
    "subject",
    [
        "open redirect",
        "code injection",
        "mix-up",
        "CSRF",
        "session fixation",
        "clickjacking",
        "cookie tossing",
        "JWT confusion",
        "SSRF",
        "logout denied",
        "iframe",
        "session_state",
        "timing",
        "slow clients",
        "floods of registrations",
        "log injection",
        "leaked secret",
        "stolen database",
    ],
)
def test_it_speaks_of(subject: str) -> None:
    assert any(subject.lower() in threat[0].lower() for threat in THREATS)

"""What `make audit` makes of what pip-audit has found."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", TOOLS / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(*fixes: str, advisory: str = "PYSEC-1", aliases: tuple[str, ...] = ("CVE-1",)) -> dict[str, Any]:
    return {"name": "x", "version": "1", "vulns": [{"id": advisory, "aliases": list(aliases), "fix_versions": list(fixes)}]}


GOOD: dict[str, Any] = {"name": "y", "version": "1", "vulns": []}
SKIPPED = {"name": "z", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "reasons", "status", "said"),
    [
        ([GOOD], {}, 0, "1 of 1 packages"),
        ([GOOD, package("2")], {}, 1, "PYSEC-1 is fixed in 2"),
        ([package("2", "3")], {"CVE-1": "not reached"}, 0, "is let pass: not reached"),
        ([package()], {}, 0, "has no fix yet"),
        ([package("2")], {"CVE-2": "another"}, 1, "CVE-2 is in audit_ignored.txt and was not found"),
        ([SKIPPED, SKIPPED], {"CVE-2": "x"}, 0, "so nothing was checked"),
        ([], {}, 0, "so nothing was checked"),
    ],
)
def test_what_is_found_is_told_and_fails_when_there_is_a_fix(
    audit: ModuleType, capsys: pytest.CaptureFixture[str], packages: list[dict[str, Any]], reasons: dict[str, str], status: int, said: str
) -> None:
    assert audit.judge(packages, reasons) == status
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("said", ["", "Traceback", "{}", '{"dependencies"', "[]"])
def test_without_a_network_it_says_so_and_ends_well(
    audit: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=said, stderr="no route to host"))

    assert audit.main() == 0
    assert "nothing was checked" in capsys.readouterr().out


def test_one_that_does_not_answer_in_time_is_no_network(audit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("pip_audit", 1)

    monkeypatch.setattr(subprocess, "run", hang)

    assert audit.main() == 0


def test_a_finding_of_pip_audit_itself_fails(audit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"dependencies": [package("2")], "fixes": []})
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=said, stderr=""))

    assert audit.main() == 1


def test_each_advisory_that_is_let_pass_has_a_reason(audit: ModuleType) -> None:
    dict(audit.ignored((TOOLS / "audit_ignored.txt").read_text("utf-8")))

    assert dict(audit.ignored("# words\n\nCVE-1 not reached\n")) == {"CVE-1": "not reached"}
    with pytest.raises(ValueError, match="CVE-1 needs a reason"):
        dict(audit.ignored("CVE-1 \n"))

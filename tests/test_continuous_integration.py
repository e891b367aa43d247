"""What CI, nox and pre-commit run: targets of the Makefile that exist, with pinned actions and few permissions."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")
GITHUB_FILES = sorted((ROOT / ".github").rglob("*.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())

every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)


def read_yaml(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in read_yaml(workflow)["jobs"].values() for step in job["steps"]]


def nox_versions() -> list[str]:
    """The Python versions of the sessions, read from the source, since the fast tests run without nox."""
    (value,) = re.findall(r"^VERSIONS = (\[.+\])$", NOXFILE, re.MULTILINE)
    versions: list[str] = ast.literal_eval(value)
    return versions


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("file", GITHUB_FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_files_for_github_are_yaml(file: Path) -> None:
    assert isinstance(read_yaml(file), dict)


@every_workflow
def test_a_workflow_runs_only_targets_of_the_makefile(workflow: Path) -> None:
    commands = [shlex.split(step["run"]) for step in steps(workflow) if "run" in step]

    assert commands
    assert not [command for command in commands if command[0] != "make" or len(command) != 2 or command[1] not in targets()]


@every_workflow
def test_a_workflow_pins_each_action_to_a_commit_and_names_its_version(workflow: Path) -> None:
    uses = re.findall(r"uses: *(.+)", workflow.read_text(encoding="utf-8"))

    assert uses
    assert not [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)]


@every_workflow
def test_a_workflow_may_only_read(workflow: Path) -> None:
    document = read_yaml(workflow)

    assert document["permissions"] == {"contents": "read"}
    assert not [name for name, job in document["jobs"].items() if "permissions" in job]


@every_workflow
def test_a_checkout_leaves_no_credentials_to_later_steps(workflow: Path) -> None:
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@every_workflow
def test_every_job_has_a_time_limit(workflow: Path) -> None:
    assert all(job["timeout-minutes"] <= 90 for job in read_yaml(workflow)["jobs"].values())


def test_the_fast_tests_run_on_every_version_that_nox_has() -> None:
    jobs = read_yaml(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]

    assert jobs["fast"]["strategy"]["matrix"]["python"] == nox_versions()


def test_all_tests_run_on_the_oldest_and_the_newest_version() -> None:
    jobs = read_yaml(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]

    assert jobs["all"]["strategy"]["matrix"]["python"] == [nox_versions()[0], nox_versions()[-1]]


def test_the_oldest_version_is_the_one_that_the_package_requires() -> None:
    assert f'python_requires=">={nox_versions()[0]}"' in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_nox_runs_only_targets_of_the_makefile() -> None:
    named = re.findall(r'make\(session, "([a-z-]+)"\)', NOXFILE)

    assert named
    assert not set(named) - targets()


def test_pre_commit_runs_only_tools_that_make_lint_runs() -> None:
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    hooks = [hook for repository in read_yaml(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]

    assert lint is not None
    assert hooks
    assert {Path(hook["entry"].split()[0]).name for hook in hooks} <= set(re.findall(r"\$\(BIN\)/(\S+)", lint[1]))


def test_make_help_lists_every_target() -> None:
    described = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))

    assert targets() == described


def test_every_target_that_is_not_a_file_is_phony() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)

    assert phony is not None
    assert set(phony[1].split()) == targets()


def test_every_folder_that_the_fast_tests_leave_out_exists() -> None:
    folders = re.search(r"^SLOW_TESTS := (.+)$", MAKEFILE, re.MULTILINE)

    assert folders is not None
    assert not [folder for folder in folders[1].split() if not (ROOT / "tests" / folder).is_dir()]

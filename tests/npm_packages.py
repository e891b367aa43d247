"""What tests need from npm: installed by `make check` into tests/browser/npm/node_modules, in the versions of the lock file there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_INSTALLED = Path(__file__).parent / "browser" / "npm" / "node_modules"


def npm_package(name: str) -> Path:
    """Return the folder of an installed package; without it the test is skipped, in CI it fails."""
    folder = _INSTALLED / name
    if not folder.is_dir():
        problem = f"the npm package {name} is not installed (make check does that where there is npm)"
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    return folder

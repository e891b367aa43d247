"""The bundled server in this process or in one of its own, for whole flows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundled_op import browser, keys_file, make_op, op
from tests.flows.machines.running_op import RunningOp

__all__ = ["browser", "keys_file", "make_op", "op"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOp]:
    """One server process for all tests of a module; a test that ends it starts it again."""
    op = RunningOp(tmp_path_factory.mktemp("op"), registration={"mode": "open"})
    op.start()
    yield op
    op.close()


@pytest.fixture
def own_running(tmp_path: Path) -> Iterator[RunningOp]:
    """A server process for one test."""
    op = RunningOp(tmp_path)
    op.start()
    yield op
    op.close()

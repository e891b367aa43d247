"""Makes the example RP's own modules importable; the fake OP serves all tests of a module and is reset for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.fake_op import FakeOp

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "rp"))


@pytest.fixture(scope="module")
def serving_op() -> Iterator[FakeOp]:
    """One fake OP for a module."""
    with FakeOp.serving() as op:
        yield op


@pytest.fixture
def op(serving_op: FakeOp) -> FakeOp:
    """The fake OP, as new: alice is signed in and everything it says is right."""
    serving_op.reset()
    return serving_op

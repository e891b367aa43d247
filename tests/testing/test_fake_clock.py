"""What the package offers to tests."""

from __future__ import annotations

import pytest

from oic_session_ext.errors import Conflict, StoreUnavailable
from oic_session_ext.testing.examples import NOW
from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.testing.store_contract import StoreContract, winners


def test_the_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock()
    assert [clock(), clock()] == [NOW, NOW]

    clock.advance(60)

    assert clock() == NOW + 60


def test_winners_are_those_that_met_no_conflict() -> None:
    def attempt(i: int) -> None:
        if i != 2:
            raise Conflict(i)

    assert winners(attempt, 4) == [2]


def test_an_attempt_that_fails_otherwise_is_not_passed_over() -> None:
    def attempt(i: int) -> None:
        raise StoreUnavailable("gone")

    with pytest.raises(AssertionError, match="gone"):
        winners(attempt, 2)


def test_the_contract_needs_a_store_to_prove() -> None:
    with pytest.raises(NotImplementedError):
        StoreContract().make_store()

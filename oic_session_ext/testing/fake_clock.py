"""A clock that tests set and advance."""

from __future__ import annotations

from .examples import NOW


class FakeClock:
    """A `Clock` that changes only when the test sets or advances it."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return the current instant of this clock."""
        return self.now

    def advance(self, seconds: int) -> None:
        """Advance the clock by a number of seconds."""
        self.now += seconds

"""A clock for tests that moves only when a test moves it."""

from __future__ import annotations

from .examples import NOW


class FakeClock:
    """A `Clock` that moves only when it is told to."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return the instant that it was set to."""
        return self.now

    def advance(self, seconds: int) -> None:
        """Let so many seconds pass."""
        self.now += seconds

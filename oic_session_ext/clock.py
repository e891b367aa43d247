"""Time comes in from outside, so that tests never sleep."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant as whole UTC seconds."""

    def __call__(self) -> int:
        """Return the seconds since 1970-01-01T00:00:00Z."""
        ...


def system_clock() -> int:
    """Return the machine's time in whole UTC seconds."""
    return int(time.time())

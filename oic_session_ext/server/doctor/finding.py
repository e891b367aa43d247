"""A finding of the diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """PROBLEM: it does not work or is not safe. WARNING: it does not work for some users. NOTE: information."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was found `about` a setting or client, its `impact`, and how to `fix` it."""

    severity: Severity
    about: str
    what: str
    impact: str
    fix: str

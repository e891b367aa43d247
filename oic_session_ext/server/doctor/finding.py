"""One thing that the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad it is: something does not work or is not safe, will not work for some, or is good to know."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, `about` which setting or client, what it `impact`, and how to `fix` it."""

    severity: Severity
    about: str
    what: str
    impact: str
    fix: str

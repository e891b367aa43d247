"""Output of commands: readable text, or JSON for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any


def time_text(instant: int) -> str:
    """Return an instant as ISO 8601 in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def json_line(facts: dict[str, Any]) -> str:
    """Return facts as one line of JSON."""
    return json.dumps(facts).replace("\x7f", "\\u007f")  # the only control character that JSON does not escape


def counted(count: int, noun: str) -> str:
    """Return `1 session`, `2 sessions`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

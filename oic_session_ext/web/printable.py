"""Text of others on one line of a log or a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text with everything that does not print as Python writes it, so that it can neither begin a line nor colour one."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

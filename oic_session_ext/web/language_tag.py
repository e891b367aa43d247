"""BCP 47 language tags, as requests name them in `ui_locales` and `claims_locales`: what stands in for one that is not there."""

from __future__ import annotations

MAX_TAG_LENGTH = 35
"""No language has a longer tag (RFC 5646, 4.4.1); a longer text in its place is not looked at."""


def fallbacks(tag: str) -> list[str]:
    """Return a tag and what it falls back to (RFC 4647, 3.4), `de-CH` and then `de`; none for a text that is too long."""
    if len(tag) > MAX_TAG_LENGTH:
        return []
    subtags = tag.split("-")
    return ["-".join(subtags[:length]) for length in range(len(subtags), 0, -1)]

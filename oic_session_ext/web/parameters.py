"""Request parameters: parsed once, strictly, before anything believes them; and put behind a registered URI, which stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

from ..errors import InvalidRequest

MAX_REQUEST_BYTES = 64 * 1024
MAX_PARAMETERS = 100


def parse_parameters(text: str, *, max_bytes: int = MAX_REQUEST_BYTES) -> list[tuple[str, str]]:
    """Return the name-value pairs of a query string or a form body, in order, blank values kept.

    Raises: InvalidRequest: too long, too many, not UTF-8, or holding control characters (a CR or LF has no place in
        any parameter that we know and every place in an attack).
    """
    if len(text) > max_bytes:
        raise InvalidRequest("the request is too long")
    if not text:
        return []
    fields = text.split("&")
    if len(fields) > MAX_PARAMETERS:
        raise InvalidRequest("the request has too many parameters")
    pairs = []
    for part in fields:
        if part:
            name, _, value = part.partition("=")
            pairs.append((_decode(name), _decode(value)))
    return pairs


def single_values(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters by name.

    Raises: InvalidRequest: one came more than once (RFC 6749, 3.1: MUST NOT), so which one was meant cannot be known.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidRequest("a parameter came more than once", detail=f"repeated: {name[:40]!r}")
        values[name] = value
    return values


def with_parameters(uri: str, **parameters: str) -> str:
    """Return a registered URI, kept byte for byte, with parameters after its own query, percent-encoded (OIDCFCL-2, OIDCRIL-3)."""
    separator = "?" if "?" not in uri else "" if uri[-1] in "?&" else "&"
    return uri + separator + "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def has_control_characters(text: str) -> bool:
    """Return whether a text has characters that no parameter may have: U+0000 to U+001F, and U+007F."""
    return not text.isprintable() and any(ord(char) < 32 or ord(char) == 127 for char in text)


def _decode(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text or not text.isascii():
        try:
            text = unquote_to_bytes(text).decode("utf-8")
        except (UnicodeDecodeError, UnicodeEncodeError) as err:
            raise InvalidRequest("the request is not valid UTF-8") from err
    if has_control_characters(text):
        raise InvalidRequest("the request holds control characters")
    return text

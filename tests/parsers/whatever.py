"""What parsers are tried with: texts out of good ones and of the characters that parsers trip over; and how many of them.

`make fuzz` tries far more than the tests do: FUZZ_EXAMPLES in the environment says how many.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""How many inputs each parser is tried with; 0 stands for each test's own small number."""

_TRIPS = st.sampled_from(
    [
        *'\x00\t\n\r\x1b\x7f\x85\x9b\xa0 "#%&+,./:;<=>?@[\\]^_{|}~\u0130\u0663\u200b\u2028\u202e\ufeff\uff0e\U0001f9ff',
        "%00",
        "%2F",
        "%ff",
        "..",
        "//",
        "=",
        "a" * 300,
        "9" * 40,
        "-1",
        "1e999",
        "null",
        "\ud800",
    ]
)
ANY_TEXT = st.one_of(st.text(max_size=40), st.lists(st.one_of(_TRIPS, st.text(max_size=3)), max_size=12).map("".join))
"""Any text, half a surrogate pair among it, which half-decoded input can hold."""

ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


def budget(examples: int) -> settings:
    """As many inputs as a test wants to try, or as many as whoever runs it wants."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(max_examples=EXAMPLES or examples, deadline=None, suppress_health_check=checks)


@st.composite
def spoilt(draw: st.DrawFn, *good: str) -> str:
    """A good text with something put in, taken out, repeated, swapped, or in another case."""
    text = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        way = draw(st.integers(0, 4))
        if way == 0:
            text = text[:start] + draw(st.one_of(_TRIPS, st.text(max_size=3))) + text[end:]
        elif way == 1:
            text = text[:start] + text[end:]
        elif way == 2:
            text = text[:end] + text[start:]
        elif way == 3:
            text = text[end:] + text[:start]
        else:
            text = text[:start] + text[start:end].swapcase() + text[end:]
    return text


def segment(value: Any) -> str:
    """A part of a JWT: JSON in base64url."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@st.composite
def jwt_of_nobody(draw: st.DrawFn, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A JWT like a good one in some of its header and claims, signed by nobody."""
    made_header, made_claims = (
        {**good, **draw(st.dictionaries(st.sampled_from([*good, "x"]), ANY_JSON, max_size=2))} for good in (header, claims)
    )
    made_header |= draw(
        st.sampled_from([{}, {"alg": "none"}, {"alg": "HS256"}, {"crit": ["b64"]}, {"b64": False}, {"kid": ["k"]}, {"jwk": {}}])
    )
    signature = draw(st.one_of(st.just(""), st.binary(max_size=64).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))))
    return f"{segment(made_header)}.{segment(made_claims)}.{signature}"

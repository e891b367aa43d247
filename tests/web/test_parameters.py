"""Parameters as the peer sent them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.errors import InvalidRequest
from oic_session_ext.web.parameters import MAX_PARAMETERS, MAX_REQUEST_BYTES, parse_parameters, single_values


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("&&", []),
        ("a=1", [("a", "1")]),
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a=", [("a", "")]),
        ("a", [("a", "")]),
        ("=1", [("", "1")]),
        ("a=b=c", [("a", "b=c")]),
        ("a+b=c+d", [("a b", "c d")]),
        ("a%2Bb=%26%3D", [("a+b", "&=")]),
        ("a=%C3%A9", [("a", "é")]),
        ("a=é", [("a", "é")]),
        ("a=%", [("a", "%")]),
        ("a=%zz", [("a", "%zz")]),
        ("a=1;b=2", [("a", "1;b=2")]),
    ],
)
def test_pairs_are_decoded_in_order_and_blank_ones_kept(text: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_parameters(text) == pairs


@pytest.mark.spec("SEC-03", "SEC-12")
@pytest.mark.parametrize(
    "text",
    ["a=%ff", "%ff=a", "a=%c3", "a=%ed%a0%80", "a=%0d%0aX:1", "a=%0a", "a=%00", "a=%09", "a=%7f", "%0d=1", "a=\n", "a=\ud800"],
    ids=ascii,
)
def test_broken_utf_8_and_control_characters_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_parameters(text)


@pytest.mark.spec("SEC-12")
def test_too_long_or_too_many_is_refused_at_the_limit() -> None:
    assert parse_parameters("a=" + "b" * (MAX_REQUEST_BYTES - 2))
    assert len(parse_parameters("&".join(["a=1"] * MAX_PARAMETERS))) == MAX_PARAMETERS

    for text in ("a=" + "b" * MAX_REQUEST_BYTES, "&".join(["a=1"] * (MAX_PARAMETERS + 1)), "&" * MAX_PARAMETERS):
        with pytest.raises(InvalidRequest):
            parse_parameters(text)
    with pytest.raises(InvalidRequest):
        parse_parameters("a=12345", max_bytes=6)


def test_a_repeated_name_is_refused_whatever_its_values() -> None:
    assert single_values([("a", "1"), ("b", "1")]) == {"a": "1", "b": "1"}
    for pairs in ([("a", "1"), ("a", "1")], [("a", ""), ("a", "2")], parse_parameters("a=1&%61=2")):
        with pytest.raises(InvalidRequest):
            single_values(pairs)


def test_the_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidRequest) as caught:
        single_values([("<script>", "1"), ("<script>", "2")])

    assert "script" not in caught.value.description


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=20))
def test_what_was_encoded_comes_back(pairs: list[tuple[str, str]]) -> None:
    kept = [(name, value) for name, value in pairs if name or value]

    assert [pair for pair in parse_parameters(urlencode(pairs)) if pair != ("", "")] == kept


@given(st.text(max_size=200))
def test_any_text_is_parsed_as_the_standard_library_does_or_refused(text: str) -> None:
    try:
        pairs = parse_parameters(text)
    except InvalidRequest:
        return

    assert pairs == parse_qsl(text, keep_blank_values=True)

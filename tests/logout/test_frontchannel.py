"""The URI of a front-channel frame: what was registered, byte for byte, and both parameters or neither."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.logout.frontchannel import frontchannel_frame
from oic_session_ext.model import RpSession
from oic_session_ext.pages.security_headers import csp_source

ISSUER = "https://server.example.com"
ADDED = "iss=https%3A%2F%2Fserver.example.com&sid=08a5019c"


def frame(uri: Any, *, issuer: str = ISSUER, sid: str = "08a5019c", **metadata: Any) -> str | None:
    return frontchannel_frame(RpSession(sid, "rp", "sub", 0), {"frontchannel_logout_uri": uri, **metadata}, issuer)


@pytest.mark.spec("FC-03", "FC-05", "FC-06", "FC-08", "FC-10", "WR-16")
@pytest.mark.parametrize(
    ("registered", "separator"),
    [
        ("https://rp.example.org/fc", "?"),
        ("https://rp.example.org", "?"),
        ("https://rp.example.org/fc?a=1&a=2&b=&c=%2F+", "&"),
        ("https://rp.example.org/fc?a", "&"),
        ("https://rp.example.org/fc?", ""),
        ("https://rp.example.org/fc?a=1&", ""),
        ("https://RP.example.org:443/%7efc;x?A=%c3%a9&b=/?:@", "&"),
    ],
)
def test_iss_and_sid_follow_what_was_registered_byte_for_byte(registered: str, separator: str) -> None:
    assert frame(registered) == f"{registered}{separator}{ADDED}"


@pytest.mark.spec("FC-04")
@pytest.mark.parametrize("switch", [{}, {"frontchannel_logout_add_session": True}, {"frontchannel_logout_add_session": False}])
def test_a_client_that_requires_the_session_always_gets_it(switch: dict[str, Any]) -> None:
    assert frame("https://rp.example.org/fc", frontchannel_logout_session_required=True, **switch) == f"https://rp.example.org/fc?{ADDED}"


@pytest.mark.spec("FC-03", "FC-05")
def test_a_client_may_do_without_both() -> None:
    assert frame("https://rp.example.org/fc?a=1", frontchannel_logout_add_session=False) == "https://rp.example.org/fc?a=1"


@pytest.mark.spec("FC-08")
@given(sid=st.text(min_size=1), issuer=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_whatever_they_hold_both_parameters_read_back_exactly(sid: str, issuer: str) -> None:
    sid = sid.encode("utf-8", "ignore").decode() or "s"

    uri = frame("https://rp.example.org/fc?a=1", sid=sid, issuer=issuer)

    assert uri is not None
    assert parse_qsl(urlsplit(uri).query, keep_blank_values=True) == [("a", "1"), ("iss", issuer), ("sid", sid)]


@pytest.mark.spec("FC-09", "SEC-11")
@pytest.mark.parametrize(
    "uri",
    [
        None, 7, "", ["https://rp.example.org/fc"], "fc", "/fc", "//rp.example.org/fc", "javascript:alert(1)", "JavaScript://x/%0aalert(1)",
        "data:text/html,x", "com.example.app:/fc", "ftp://rp.example.org/", "https://", "https:rp.example.org", "https://rp.example.org/fc#x",
        "https://rp.example.org/ fc", "https://rp.example.org/\nfc", "https://rp.example.org\\@evil.example/", 'https://rp.example.org/"',
        "https://rp.example.org/<", "https://user@rp.example.org/", "https://rp.example.org:x/", "https://[::1/", "https://r\u00f6.example/",
        "https://*.example.org/", "https://rp.example.org;script-src/", "https://rp.example.org./", "https://a..b/",
    ],
)  # fmt: skip
def test_what_registration_would_have_refused_is_not_framed(uri: Any) -> None:
    assert frame(uri) is None


@pytest.mark.spec("FC-18")
@pytest.mark.parametrize(
    ("uri", "issuer", "is_framed"),
    [
        ("http://rp.example.org/fc", "https://op.example.org", False),
        ("http://127.0.0.1:8081/fc", "https://op.example.org", True),
        ("http://localhost:8081/fc", "https://op.example.org", True),
        ("http://[::1]:8081/fc", "https://op.example.org", True),
        ("http://rp.example.org/fc", "http://localhost:8080", True),
        ("https://rp.example.org/fc", "https://op.example.org", True),
    ],
)
def test_what_a_browser_blocks_as_mixed_content_is_not_framed(uri: str, issuer: str, is_framed: bool) -> None:
    assert (frame(uri, issuer=issuer) is not None) is is_framed


@pytest.mark.spec("FC-12")
@given(st.from_regex(r"https?://[ -~]{1,30}", fullmatch=True))
def test_whatever_is_framed_has_a_source_in_the_policy(uri: str) -> None:
    framed = frame(uri, issuer="http://localhost")

    assert framed is None or csp_source(framed) is not None

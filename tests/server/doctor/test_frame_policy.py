"""Whether a page lets another frame it, as browsers judge by its headers."""

from __future__ import annotations

import pytest

from oic_session_ext.server.doctor.frame_policy import refuses_frame

OP = "https://op.example.com"
PAGE = "https://rp.example.org/logout"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-frame-options": "SAMEORIGIN, DENY", "content-security-policy": f"frame-ancestors {OP}"},
        {"x-frame-options": "ALLOWALL"},
        {"content-security-policy": "default-src 'none'"},
        {"content-security-policy": "frame-ancestors *"},
        {"content-security-policy": f"default-src 'self'; Frame-Ancestors 'self' {OP}"},
        {"content-security-policy": "frame-ancestors https:"},
        {"content-security-policy": "frame-ancestors http:"},
        {"content-security-policy": "frame-ancestors *.example.com"},
        {"content-security-policy": "frame-ancestors op.example.com"},
        {"content-security-policy": "frame-ancestors http://op.example.com"},
        {"content-security-policy": "frame-ancestors https://op.example.com:443"},
        {"content-security-policy": "frame-ancestors https://op.example.com:*"},
        {"content-security-policy": f"frame-ancestors {OP}, frame-ancestors *"},
    ],
)
def test_a_page_that_lets_the_op_frame_it(headers: dict[str, str]) -> None:
    assert refuses_frame(headers, PAGE, OP) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"x-frame-options": "deny"},
        {"x-frame-options": "SAMEORIGIN"},
        {"content-security-policy": "frame-ancestors 'none'"},
        {"content-security-policy": "frame-ancestors"},
        {"content-security-policy": "frame-ancestors 'self'"},
        {"content-security-policy": "frame-ancestors https://other.example.com"},
        {"content-security-policy": "frame-ancestors *.op.example.com"},
        {"content-security-policy": "frame-ancestors https://op.example.com:8443"},
        {"content-security-policy": "frame-ancestors wss:"},
        {"content-security-policy": f"frame-ancestors {OP}, frame-ancestors 'none'"},
    ],
)
def test_a_page_that_does_not(headers: dict[str, str]) -> None:
    assert refuses_frame(headers, PAGE, OP)


def test_of_the_same_origin_a_page_lets_itself_be_framed() -> None:
    assert refuses_frame({"x-frame-options": "SAMEORIGIN"}, PAGE, "https://rp.example.org/other") is None
    assert refuses_frame({"content-security-policy": "frame-ancestors 'self'"}, PAGE, "https://rp.example.org:443/") is None


def test_https_alone_may_frame_where_http_is_not_named() -> None:
    assert refuses_frame({"content-security-policy": "frame-ancestors https://op.example.com"}, PAGE, "http://op.example.com")
    assert refuses_frame({"content-security-policy": "frame-ancestors op.example.com"}, PAGE, "http://op.example.com")

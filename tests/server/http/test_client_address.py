"""The browser's address behind proxies: only the word of trusted ones counts."""

from __future__ import annotations

from typing import Any

import pytest

from oic_session_ext.server.config.listen import ProxySettings
from oic_session_ext.server.http.client_address import client_address, with_client_address

PROXY = ProxySettings.model_validate({"trusted": ["10.0.0.0/8", "2001:db8:ffff::/48"]})


def environ(peer: str, forwarded: str | None = None, header: str = "HTTP_X_FORWARDED_FOR") -> dict[str, Any]:
    return {"REMOTE_ADDR": peer} | ({} if forwarded is None else {header: forwarded})


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", " 203.0.113.7 ,10.0.0.2, ", "203.0.113.7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("2001:db8:ffff::1", "203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:4711, 10.0.0.2:80", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
def test_the_nearest_address_that_is_no_proxys_is_the_browsers(peer: str, forwarded: str | None, expected: str) -> None:
    assert client_address(environ(peer, forwarded), PROXY) == expected


def test_what_stands_left_of_it_anybody_could_have_written() -> None:
    assert client_address(environ("10.0.0.1", "1.1.1.1, 203.0.113.7, 10.0.0.2"), PROXY) == "203.0.113.7"


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "2001:db8::1", "::ffff:11.0.0.1"])
def test_nobody_else_is_believed(peer: str) -> None:
    assert client_address(environ(peer, "1.1.1.1"), PROXY) in (peer, "11.0.0.1")


@pytest.mark.parametrize(
    "forwarded",
    ["unknown", "203.0.113.7:x", "203.0.113.7:123456", "2001:db8::7:4711:x", "_hidden", "<script>", "1.1.1.1, x", "999.1.1.1", "\x00"],
)
def test_what_is_no_address_leaves_the_peers(forwarded: str) -> None:
    assert client_address(environ("10.0.0.1", forwarded), PROXY) == "10.0.0.1"


def test_another_header_counts_when_it_is_the_configured_one() -> None:
    proxy = ProxySettings.model_validate({"trusted": ["10.0.0.1"], "client_address_header": "X-Real-IP"})

    assert client_address(environ("10.0.0.1", "203.0.113.7", "HTTP_X_REAL_IP"), proxy) == "203.0.113.7"
    assert client_address(environ("10.0.0.1", "203.0.113.7"), proxy) == "10.0.0.1"


def test_without_a_proxy_the_application_is_left_as_it_is() -> None:
    def application(*_: Any) -> list[bytes]:
        return []

    assert with_client_address(application, None) is application


def test_with_a_proxy_the_application_sees_the_browsers_address() -> None:
    seen: list[str] = []
    application = with_client_address(lambda environ, _: seen.append(environ["REMOTE_ADDR"]) or [], PROXY)

    application(environ("10.0.0.1", "203.0.113.7"), None)

    assert seen == ["203.0.113.7"]

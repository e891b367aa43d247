"""Which redirect URIs count as registered (RFC 9700, 2.1; RFC 8252, 7.3)."""

from __future__ import annotations

import pytest

from oic_session_ext.clients.uris import is_registered_redirect

REGISTERED = ["https://web.example.com/cb", "http://127.0.0.1/cb", "http://[::1]:8000/cb?x=1", "http://localhost/cb"]


@pytest.mark.parametrize(
    "uri",
    [
        *REGISTERED,
        "http://127.0.0.1:51004/cb",
        "http://127.0.0.1:1/cb",
        "http://[::1]/cb?x=1",
        "http://[::1]:51004/cb?x=1",
    ],
)
def test_a_registered_uri_and_any_port_of_a_loopback_address_are_accepted(uri: str) -> None:
    assert is_registered_redirect(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri",
    [
        "https://web.example.com:8443/cb",
        "https://web.example.com/cb/",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.2:51004/cb",
        "http://127.0.0.1:51004@evil.example.com/cb",
        "http://user@127.0.0.1:51004/cb",
        "http://127.0.0.1.evil.example.com:51004/cb",
        "http://127.0.0.1:99999999/cb",
        "http://127.0.0.1:/cb",
        "HTTP://127.0.0.1:51004/cb",
        "http://0x7f.0.0.1:51004/cb",
        "http://localhost:51004/cb",
        "http://[::1]:51004/cb",
        "http://[::2]:51004/cb?x=1",
        "",
    ],
)
def test_any_other_uri_is_refused(uri: str) -> None:
    assert not is_registered_redirect(uri, REGISTERED)

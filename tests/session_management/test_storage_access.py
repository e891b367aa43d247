"""When a silent request is asked for once more, with the cookies."""

from __future__ import annotations

import pytest

from oic_session_ext.session_management.storage_access import retry_headers

URIS = ["https://rp.example.org/cb", "https://RP.example.org:8443/cb?x=1", "com.example.app:/cb", "https:\\broken"]


@pytest.mark.parametrize("origin", ["https://rp.example.org", "https://rp.example.org:8443"])
def test_a_page_of_the_client_whose_cookies_were_held_back_sends_it_again(origin: str) -> None:
    assert retry_headers({"Origin": origin, "Sec-Fetch-Storage-Access": "inactive"}, URIS) == [
        ("Activate-Storage-Access", f'retry; allowed-origin="{origin}"'),
        ("Vary", "Sec-Fetch-Storage-Access"),
    ]


@pytest.mark.parametrize("state", ["active", "none", "Inactive", "", None])
def test_where_cookies_came_or_never_will_nothing_is_sent_again(state: str | None) -> None:
    headers = {"origin": "https://rp.example.org"} | ({} if state is None else {"sec-fetch-storage-access": state})

    assert retry_headers(headers, URIS) == []


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "https://evil.example",
        "http://rp.example.org",
        "https://rp.example.org:444",
        'https://rp.example.org"',
        "com.example.app:",
    ],
)
def test_a_page_of_another_origin_is_not_helped(origin: str) -> None:
    assert retry_headers({"origin": origin, "sec-fetch-storage-access": "inactive"}, URIS) == []


def test_a_request_without_origin_is_not_helped() -> None:
    assert retry_headers({"sec-fetch-storage-access": "inactive"}, URIS) == []

"""Set-Login and Clear-Site-Data: only where they are wanted, only at the top, and never a word about cookies."""

from __future__ import annotations

import pytest

from oic_session_ext.session_management.login_status import login_status_headers
from oic_session_ext.settings import SessionManagementSettings

BOTH = SessionManagementSettings(login_status=True, clear_site_data=True)
TOP = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}


def test_by_default_there_is_neither() -> None:
    for has_begun in (False, True):
        assert login_status_headers(TOP, SessionManagementSettings(), has_begun=has_begun, has_ended=not has_begun) == []


def test_a_login_says_logged_in_and_clears_nothing() -> None:
    assert login_status_headers(TOP, BOTH, has_begun=True, has_ended=False) == [("Set-Login", "logged-in")]


def test_a_login_that_replaces_a_session_is_a_login() -> None:
    assert login_status_headers(TOP, BOTH, has_begun=True, has_ended=True) == [("Set-Login", "logged-in")]


@pytest.mark.spec("SM-17")
def test_a_logout_says_logged_out_and_leaves_all_cookies_alone() -> None:
    assert login_status_headers(TOP, BOTH, has_begun=False, has_ended=True) == [
        ("Set-Login", "logged-out"),
        ("Clear-Site-Data", '"cache", "storage"'),
    ]


def test_each_has_a_setting_of_its_own() -> None:
    login_status = SessionManagementSettings(login_status=True)
    clear_site_data = SessionManagementSettings(clear_site_data=True)

    assert [name for name, _ in login_status_headers(TOP, login_status, has_begun=False, has_ended=True)] == ["Set-Login"]
    assert [name for name, _ in login_status_headers(TOP, clear_site_data, has_begun=False, has_ended=True)] == ["Clear-Site-Data"]


def test_a_request_that_changes_nothing_is_answered_without() -> None:
    assert login_status_headers(TOP, BOTH, has_begun=False, has_ended=False) == []


@pytest.mark.parametrize("dest", ["iframe", "empty", "image"])
def test_a_request_from_inside_a_page_is_answered_without(dest: str) -> None:
    assert login_status_headers({"sec-fetch-dest": dest}, BOTH, has_begun=False, has_ended=True) == []


def test_a_browser_that_sends_no_fetch_metadata_is_told() -> None:
    assert login_status_headers({"Accept": "*/*"}, BOTH, has_begun=False, has_ended=True) != []

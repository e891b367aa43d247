"""How the page behind `check_session_iframe` is sent; what its script does is shown in tests/browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from oic_session_ext.pages import Pages
from oic_session_ext.session_management.browser_cookies import CookiePolicy
from oic_session_ext.session_management.check_session_iframe import CheckSessionPage, StatusByRequest, check_session_context
from oic_session_ext.settings import SessionManagementSettings

COOKIES = CookiePolicy("https://op.example.org", SessionManagementSettings())


def rendered(**options: Any) -> str:
    pages = Pages()
    context = check_session_context(COOKIES, pages.asset_url("check_session.js"), **options)
    return pages.render("check_session", **context).body.decode()


@pytest.mark.spec("SM-27")
def test_the_page_is_one_script_by_address_and_nothing_inline() -> None:
    html = rendered()

    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) == [""]
    assert re.search(r'<script src="/assets/check_session\.[0-9a-f]{16}\.js" data-cookie="__Host-op_browser_state"', html)
    assert '<html lang="en">' in html
    assert "<title>" in html


@pytest.mark.parametrize(("loop_guard", "written"), [(True, "on"), (False, "off")])
def test_the_loop_guard_is_switched_in_the_page(loop_guard: bool, written: str) -> None:
    assert f'data-loop-guard="{written}"' in rendered(loop_guard=loop_guard)


@pytest.mark.spec("SM-28")
def test_the_page_of_an_op_that_answers_in_the_browser_alone_has_nothing_to_ask_with() -> None:
    assert "status" not in rendered()


def test_the_page_of_an_op_that_answers_without_cookies_asks_it_and_nobody_else() -> None:
    html = rendered(status=StatusByRequest("/op/check_session_status", "/assets/check_session_status.0.js"))
    headers = dict(CheckSessionPage(b"page", may_ask=True).answer().headers)

    assert '<script src="/assets/check_session_status.0.js" data-status="/op/check_session_status"></script>' in html
    assert html.index("check_session_status.0.js") < html.index("data-cookie")
    assert headers["Content-Security-Policy"].endswith("; connect-src 'self'")


def test_the_page_starts_with_the_cookies_that_the_user_lets_it_have() -> None:
    page = CheckSessionPage(b"page")

    for answer in (page.answer(), page.answer("*")):
        assert dict(answer.headers)["Activate-Storage-Access"] == "load"


@pytest.mark.spec("SM-27", "SEC-01")
def test_every_rp_may_frame_the_page() -> None:
    headers = dict(CheckSessionPage(b"page").answer().headers)

    assert "X-Frame-Options" not in headers
    assert "frame-ancestors" not in headers["Content-Security-Policy"]


@pytest.mark.spec("SM-27")
def test_the_page_may_load_its_own_script_alone_and_be_kept() -> None:
    headers = dict(CheckSessionPage(b"page").answer().headers)

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "public, max-age=3600"
    assert "Set-Cookie" not in headers


@pytest.mark.spec("SM-27")
def test_the_page_is_sent_whole_to_a_browser_without_it() -> None:
    answer = CheckSessionPage(b"page").answer(None)

    assert (answer.status, answer.body) == (200, b"page")


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_browser_that_has_the_page_is_told_so(form: str) -> None:
    page = CheckSessionPage(b"page")
    etag = dict(page.answer().headers)["ETag"]

    answer = page.answer(form.format(etag))

    assert (answer.status, answer.body) == (304, b"")
    assert dict(answer.headers)["ETag"] == etag
    assert "Content-Type" not in dict(answer.headers)


@pytest.mark.parametrize("if_none_match", ["", '"other"', "garbage,,", '"' + "0" * 32 + '"'])
def test_a_browser_with_another_page_gets_this_one(if_none_match: str) -> None:
    assert CheckSessionPage(b"page").answer(if_none_match).status == 200


def test_another_page_has_another_tag() -> None:
    one, other = (dict(CheckSessionPage(html).answer().headers)["ETag"] for html in (b"one", b"other"))

    assert one != other

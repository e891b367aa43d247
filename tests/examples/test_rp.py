"""The example RP over HTTP, as a browser without scripts sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.examples.fake_op import FakeOp
from tests.examples.rp_browser import Browser, found
from tests.examples.rp_process import serving_rp


def query_of(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture(scope="module")
def rp(serving_op: FakeOp) -> Iterator[str]:
    """The RP's base URL."""
    with serving_rp(serving_op.issuer) as base_url:
        yield base_url


@pytest.fixture
def browser(rp: str, op: FakeOp) -> Browser:
    """A browser in which nobody is signed in; alice is signed in at the OP."""
    return Browser(rp)


def test_a_sign_in_leads_to_a_page_that_says_who(browser: Browser) -> None:
    response = browser.sign_in()

    assert (response.status_code, response.headers["Location"]) == (303, browser.base_url + "/")
    page = browser.visit("/").text
    assert "&lt;alice-sub&gt; the tester" in page
    assert "14 Nov 2023, 22:13:20 UTC" in page
    assert "sid-1" in page


def test_the_session_cookie_is_named_after_the_rp_and_out_of_reach_of_scripts(browser: Browser) -> None:
    cookie = browser.visit("/login").headers["Set-Cookie"]

    assert cookie.startswith("rp_a_session=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_the_session_cookie_is_new_after_sign_in(browser: Browser) -> None:
    browser.visit("/login")
    before = browser.cookies["rp_a_session"]
    browser.sign_in()

    assert browser.cookies["rp_a_session"] != before


def test_signing_in_as_somebody_else_asks_for_the_login_page(browser: Browser) -> None:
    assert query_of(browser.visit("/login?prompt=login").headers["Location"])["prompt"] == "login"
    assert "prompt" not in query_of(browser.visit("/login?prompt=none").headers["Location"])


@pytest.mark.parametrize("changed", [{"state": "other"}, {"state": None}], ids=["another state", "no state"])
def test_an_answer_with_a_wrong_state_signs_nobody_in(browser: Browser, op: FakeOp, changed: dict[str, str | None]) -> None:
    op.answer = changed

    response = browser.sign_in()

    assert response.status_code == 400
    assert "invalid_state" in response.text
    assert not browser.is_signed_in()
    assert op.token_requests == []


def test_an_answer_that_another_browser_asked_for_signs_nobody_in(browser: Browser, rp: str) -> None:
    victim = Browser(rp)
    victim.visit("/login")
    back = browser.answer_of_op(browser.visit("/login").headers["Location"])

    assert victim.get(back, allow_redirects=False, timeout=5).status_code == 400
    assert not victim.is_signed_in()


def test_an_answer_is_good_once(browser: Browser) -> None:
    back = browser.answer_of_op(browser.visit("/login").headers["Location"])
    browser.get(back, allow_redirects=False, timeout=5)

    assert browser.get(back, allow_redirects=False, timeout=5).status_code == 400


def test_a_wrong_nonce_signs_nobody_in(browser: Browser, op: FakeOp) -> None:
    op.claims = {"nonce": "other"}

    assert browser.sign_in().status_code == 400
    assert not browser.is_signed_in()


def test_an_error_answer_is_shown_escaped(browser: Browser, op: FakeOp) -> None:
    op.answer = {"code": None, "error": "access_denied", "error_description": "<script>alert(1)</script>"}

    response = browser.sign_in()

    assert response.status_code == 400
    assert "access_denied" in response.text
    assert "<script>alert" not in response.text


def test_a_repeated_parameter_is_refused(browser: Browser) -> None:
    assert browser.visit("/callback?state=a&state=b").status_code == 400
    assert browser.visit("/signed-out?state=a&state=b").status_code == 400


@pytest.mark.parametrize("path", ["/logout", "/local-logout"])
def test_signing_out_by_get_is_refused(browser: Browser, path: str) -> None:
    browser.sign_in()

    assert browser.visit(path).status_code == 405
    assert browser.is_signed_in()


@pytest.mark.parametrize("path", ["/logout", "/local-logout"])
def test_signing_out_without_the_token_of_the_page_is_refused(browser: Browser, path: str) -> None:
    browser.sign_in()

    assert browser.submit(path).status_code == 403
    assert browser.submit(path, csrf_token="other").status_code == 403
    assert browser.is_signed_in()


@pytest.mark.spec("RP-03")
def test_a_renewal_asks_with_prompt_none_and_the_id_token_as_hint(browser: Browser, op: FakeOp) -> None:
    browser.sign_in()
    browser.renew()

    request = op.authorize_requests[-1]
    assert request["prompt"] == "none"
    assert request["redirect_uri"] == browser.base_url + "/silent"
    assert request["id_token_hint"].count(".") == 2


@pytest.mark.spec("RP-04")
def test_a_renewal_by_the_same_user_updates_the_session_state_alone(browser: Browser) -> None:
    browser.sign_in()
    assert 'data-session-state="state0.salt"' in browser.visit("/").text

    assert browser.renew() == "same-user"
    page = browser.visit("/").text
    assert 'data-session-state="state1.salt"' in page
    assert "&lt;alice-sub&gt; the tester" in page


@pytest.mark.spec("RP-04")
def test_a_renewal_by_another_user_is_reported_and_not_kept(browser: Browser, op: FakeOp) -> None:
    browser.sign_in()
    op.sub = "bob-sub"

    assert browser.renew() == "other-user"
    assert "bob-sub" not in browser.visit("/").text


@pytest.mark.spec("RP-04")
@pytest.mark.parametrize("error", ["login_required", "interaction_required", "consent_required"])
def test_a_renewal_that_the_op_refuses_is_reported(browser: Browser, op: FakeOp, error: str) -> None:
    browser.sign_in()
    op.answer = {"code": None, "error": error}

    assert browser.renew() == "refused"


def test_a_renewal_with_a_foreign_answer_is_refused(browser: Browser) -> None:
    browser.sign_in()

    assert 'data-renewal="refused"' in browser.visit("/silent?state=x&code=y").text
    assert browser.is_signed_in()


def test_an_answer_to_a_renewal_cannot_be_brought_to_the_callback(browser: Browser) -> None:
    browser.sign_in()
    renew_url = found(r'data-renew-url="([^"]+)"', browser.visit("/").text)
    back = browser.answer_of_op(browser.visit(renew_url).headers["Location"])

    assert browser.get(back.replace("/silent", "/callback"), allow_redirects=False, timeout=5).status_code == 400


def test_the_page_of_an_earlier_sign_in_cannot_renew_or_end_a_later_one(browser: Browser, op: FakeOp) -> None:
    browser.sign_in()
    old_page = browser.visit("/").text
    op.sub = "bob-sub"
    browser.sign_in()

    assert 'data-renewal="other-user"' in browser.visit(found(r'data-renew-url="([^"]+)"', old_page)).text
    assert browser.submit("/local-logout", csrf_token=found(r'data-csrf-token="([^"]+)"', old_page)).status_code == 403
    assert "bob-sub" in browser.visit("/").text


def test_signing_out_here_only_ends_the_rp_session(browser: Browser) -> None:
    browser.sign_in()

    assert browser.submit("/local-logout", csrf_token=browser.csrf_token()).status_code == 204
    assert not browser.is_signed_in()


@pytest.mark.spec("RP-04")
def test_signing_out_here_when_nobody_is_signed_in_is_a_success(browser: Browser) -> None:
    assert browser.submit("/local-logout", csrf_token="of an ended session").status_code == 204


@pytest.mark.spec("RP-10", "RP-13")
def test_signing_out_ends_the_rp_session_and_goes_to_the_op_with_hint_redirect_and_state(browser: Browser, op: FakeOp) -> None:
    browser.sign_in()

    response = browser.submit("/logout", csrf_token=browser.csrf_token())

    assert not browser.is_signed_in()
    assert response.status_code == 303
    assert response.headers["Location"].startswith(op.issuer + "/end_session?tenant=1&")
    sent = query_of(response.headers["Location"])
    assert set(sent) == {"tenant", "id_token_hint", "post_logout_redirect_uri", "state"}
    assert sent["id_token_hint"].count(".") == 2
    assert sent["post_logout_redirect_uri"] == browser.base_url + "/signed-out"
    assert len(sent["state"]) >= 32


def test_a_copied_session_cookie_is_worth_nothing_after_sign_out(browser: Browser, rp: str) -> None:
    browser.sign_in()
    thief = Browser(rp)
    thief.cookies.update(browser.cookies)
    assert thief.is_signed_in()

    browser.submit("/logout", csrf_token=browser.csrf_token())

    assert not thief.is_signed_in()


@pytest.mark.spec("RP-11")
def test_the_answer_to_a_logout_is_believed_once_with_its_state(browser: Browser) -> None:
    browser.sign_in()
    back = browser.answer_of_op(browser.submit("/logout", csrf_token=browser.csrf_token()).headers["Location"])

    first, second = browser.get(back, timeout=5), browser.get(back, timeout=5)

    assert (first.status_code, second.status_code) == (200, 400)
    assert "here and at the OpenID Provider" in first.text


@pytest.mark.spec("RP-11")
@pytest.mark.parametrize("query", ["", "?state=", "?state=other"], ids=["no state", "empty state", "another state"])
def test_an_answer_to_a_logout_with_a_wrong_state_is_an_error(browser: Browser, query: str) -> None:
    browser.sign_in()
    browser.submit("/logout", csrf_token=browser.csrf_token())

    response = browser.visit("/signed-out" + query)

    assert response.status_code == 400
    assert "not the answer" in response.text


@pytest.mark.spec("RP-11")
def test_an_answer_to_a_logout_that_nobody_asked_for_signs_nobody_out(browser: Browser) -> None:
    browser.sign_in()

    assert browser.visit("/signed-out?state=x").status_code == 400
    assert browser.is_signed_in()


def test_no_page_is_kept_by_the_browser_or_framed_by_others(browser: Browser) -> None:
    browser.sign_in()

    for path in ("/", "/signed-out", "/callback", "/nowhere"):
        headers = browser.visit(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_may_frame_the_op_and_itself_and_run_only_its_own_scripts(browser: Browser, op: FakeOp) -> None:
    browser.sign_in()

    response = browser.visit("/")

    policy = response.headers["Content-Security-Policy"].split("; ")
    assert f"frame-src 'self' {op.issuer}" in policy
    assert "script-src 'self'" in policy
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", response.text))


def test_the_renewal_page_is_framed_by_the_rp_alone(browser: Browser) -> None:
    headers = browser.visit("/silent").headers

    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Cache-Control"] == "no-store"


def test_no_page_holds_a_token(browser: Browser) -> None:
    browser.sign_in()
    browser.renew()

    assert "eyJ" not in browser.visit("/").text
    assert "at-1" not in browser.visit("/").text


def test_a_page_is_shown_without_watching_where_the_op_offers_no_iframe(op: FakeOp) -> None:
    op.metadata = {"check_session_iframe": None}

    with serving_rp(op.issuer) as base_url:
        browser = Browser(base_url)
        browser.sign_in()
        page = browser.visit("/").text

    assert "Not watched" in page
    assert "session_watch.js" not in page


def test_an_op_that_is_down_is_a_page_that_says_so() -> None:
    with serving_rp("http://localhost:9") as base_url:
        response = Browser(base_url).visit("/login")

    assert response.status_code == 502
    assert "does not answer" in response.text

"""Whole flows over HTTP: in at one application, silently at the next, out of both at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bundled_op import OUT_URIS, Op, OpBrowser
from tests.flows.machines.running_op import RunningOp


@pytest.mark.spec("SID-02", "SID-07", "SID-09", "SM-01", "RI-40", "RI-46", "RI-50", "CO-01")
def test_in_at_two_applications_and_out_of_both_by_one(running: RunningOp) -> None:
    browser = running.browser()
    at_web = browser.sign_in("web")

    silent = browser.renew("spa")
    at_spa = browser.redeem(silent.query["code"], "spa").json
    answer = browser.end_session(id_token_hint=at_web["id_token"], post_logout_redirect_uri=OUT_URIS["web"], state="a b&c=d#e")

    assert (answer.status, answer.location) == (303, OUT_URIS["web"] + "?state=a%20b%26c%3Dd%23e")
    assert browser.renew("web").error == "login_required"
    assert browser.renew("spa").error == "login_required"
    for tokens in (at_web, at_spa):
        assert browser.userinfo(tokens["access_token"]).error == "invalid_token"


@pytest.mark.spec("RI-50")
def test_a_cookie_of_before_the_logout_is_nobodys(running: RunningOp) -> None:
    browser = running.browser()
    tokens = browser.sign_in()
    before = dict(browser.jar)
    browser.end_session(id_token_hint=tokens["id_token"])

    browser.jar = before

    assert browser.renew().error == "login_required"


@pytest.mark.spec("SM-13", "SM-17")
def test_op_browser_state_changes_with_login_and_logout_and_not_between(running: RunningOp) -> None:
    browser = running.browser()
    browser.renew()
    nobody = browser.jar["op_browser_state"]
    tokens = browser.sign_in("web")
    alice = browser.jar["op_browser_state"]
    browser.renew("web")
    browser.renew("spa")
    still_alice = browser.jar["op_browser_state"]
    browser.end_session(id_token_hint=tokens["id_token"])

    assert nobody != alice == still_alice
    assert browser.jar["op_browser_state"] == nobody


@pytest.mark.spec("SID-01", "RI-32")
def test_the_same_user_in_two_browsers_is_signed_out_of_one(running: RunningOp) -> None:
    laptop, phone = running.browser(), running.browser()
    on_laptop, on_phone = laptop.sign_in(), phone.sign_in()

    laptop.end_session(id_token_hint=on_laptop["id_token"])

    assert not laptop.is_signed_in()
    assert phone.is_signed_in()
    assert phone.userinfo(on_phone["access_token"]).status == 200


@pytest.mark.spec("RI-31", "RI-34", "RI-33")
def test_without_a_hint_the_user_is_asked_and_may_stay(running: RunningOp) -> None:
    browser = running.browser()
    browser.sign_in()

    stayed = browser.submit(browser.end_session(), "stay")
    assert stayed.status == 200
    assert browser.is_signed_in()

    left = browser.submit(browser.end_session(), "logout")
    assert left.status == 200
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-01", "RI-03", "RI-48")
def test_a_logout_form_from_another_site_goes_on_as_the_browsers_own_request(running: RunningOp) -> None:
    browser = running.browser()
    tokens = browser.sign_in()
    lax = dict(browser.jar)
    browser.jar = {}  # a cross-site form comes without Lax cookies

    form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": OUT_URIS["web"], "state": "s"}
    redirect = browser.post("/end_session", form, {"Origin": "https://web.example.com", "Sec-Fetch-Site": "cross-site"})
    browser.jar = lax
    answer = browser.follow(redirect)

    assert redirect.status == 303
    assert tokens["id_token"] not in redirect.location
    assert answer.location == OUT_URIS["web"] + "?state=s"
    assert not browser.is_signed_in()


@pytest.mark.spec("SID-10", "SID-11")
def test_offline_access_survives_the_logout_and_nothing_else_does(running: RunningOp) -> None:
    browser = running.browser()
    online = browser.sign_in("web")
    page = browser.follow(browser.authorize("web", scope="openid offline_access", prompt="consent"))
    offline = browser.redeem(browser.submit(page, "allow").query["code"]).json

    browser.end_session(id_token_hint=online["id_token"])
    refreshed = browser.refresh(offline["refresh_token"])

    assert "refresh_token" not in online
    assert browser.userinfo(online["access_token"]).error == "invalid_token"
    assert refreshed.status == 200
    assert browser.userinfo(refreshed.json["access_token"]).status == 200


def test_a_code_that_was_not_redeemed_dies_with_the_session(running: RunningOp) -> None:
    browser = running.browser()
    tokens = browser.sign_in()
    code = browser.renew().query["code"]
    browser.end_session(id_token_hint=tokens["id_token"])

    assert browser.redeem(code).error == "invalid_grant"


def test_a_code_is_good_once_and_its_second_use_takes_the_tokens_back(running: RunningOp) -> None:
    browser = running.browser()
    code = browser.enter(browser.login_page()).query["code"]
    tokens = browser.redeem(code).json

    assert browser.redeem(code).error == "invalid_grant"
    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"


def test_after_the_logout_the_back_button_finds_no_page_to_show(running: RunningOp) -> None:
    browser = running.browser()
    tokens = browser.sign_in()
    pages = [browser.get("/"), browser.end_session(), browser.get("/login")]
    browser.end_session(id_token_hint=tokens["id_token"])

    assert {page.header("Cache-Control") for page in pages} == {"no-store"}
    assert "alice" not in browser.get("/").text


@pytest.mark.spec("SM-13", "CO-03")
def test_another_user_in_the_same_browser_is_another_session(running: RunningOp) -> None:
    browser = running.browser()
    alice = browser.sign_in("web", "alice")
    bob = browser.sign_in("web", "bob", prompt="login")

    assert browser.userinfo(alice["access_token"]).error == "invalid_token"
    assert browser.userinfo(bob["access_token"]).status == 200
    assert browser.renew(id_token_hint=alice["id_token"]).error == "login_required"
    assert "code" in browser.renew(id_token_hint=bob["id_token"]).query


# -- in this process, with settings and a clock of its own ------------------------------------------------------------


@pytest.mark.spec("SEC-12", "CO-01")
def test_a_session_that_is_full_is_told_to_the_user_or_silently_to_the_application(make_op: Callable[..., Op]) -> None:
    browser = make_op(session={"max_rp_sessions": 1}).browser()
    browser.sign_in("web")

    page, silent = browser.authorize("spa"), browser.renew("spa")

    assert (page.status, page.error) == (400, "access_denied")
    assert page.is_page()
    assert (silent.status, silent.error, silent.query["state"]) == (303, "access_denied", "the state")
    assert browser.is_signed_in("web")


@pytest.mark.parametrize(("seconds", "reason"), [(8 * 3600, "idle"), (14 * 86400, "absolute")])
def test_a_session_is_over_when_its_time_is(op: Op, browser: OpBrowser, seconds: int, reason: str) -> None:
    tokens = browser.sign_in()
    begun = op.clock()
    while reason == "absolute" and op.clock() + 3600 < begun + seconds:
        op.clock.advance(3600)
        assert browser.is_signed_in()

    op.clock.now = begun + seconds
    answer = browser.renew()

    assert answer.error == "login_required"
    assert "Max-Age=0" in answer.cookies["op_session"]
    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"


def test_a_session_that_is_over_and_swept_leaves_nothing_alive(op: Op, browser: OpBrowser) -> None:
    offline = browser.sign_in(scope="openid offline_access", prompt="login consent")
    op.clock.advance(8 * 3600)

    assert op.server.sweeper.sweep() == 1
    assert not browser.is_signed_in()
    assert browser.refresh(offline["refresh_token"]).status == 200

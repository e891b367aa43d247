"""The consent page: asked once per client and scope, by the user who is signed in, and never in somebody else's name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bundled_op import REDIRECT_URIS, Op, OpBrowser, request_of
from tests.wsgi_browser import Answer


@pytest.fixture
def signed_in(browser: OpBrowser) -> OpBrowser:
    browser.sign_in("web")
    return browser


def consent_page(browser: OpBrowser, **changes: str) -> Answer:
    page = browser.follow(browser.authorize("asking", **changes))
    assert "allow" in page.form.buttons, page.text
    return page


# -- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-12", "SEC-01", "SEC-11")
def test_the_user_is_told_who_asks_for_what_on_a_page_that_cannot_be_framed(signed_in: OpBrowser) -> None:
    page = consent_page(signed_in, scope="openid email <b>own</b>")

    assert page.status == 200
    assert "Asking &lt;RP&gt;" in page.text
    assert "&lt;b&gt;own&lt;/b&gt;" in page.text
    assert "alice" in page.text
    assert page.header("X-Frame-Options") == "DENY"
    assert page.header("Cache-Control") == "no-store"


def test_yes_leads_to_the_application_with_a_code(signed_in: OpBrowser) -> None:
    answer = signed_in.submit(consent_page(signed_in, state="kept"), "allow")

    assert answer.status == 303
    assert answer.location.startswith(REDIRECT_URIS["asking"] + "&")
    assert answer.query["state"] == "kept"
    assert signed_in.redeem(answer.query["code"], "asking").status == 200


@pytest.mark.spec("SM-02", "CO-11", "WR-20")
def test_no_leads_to_the_application_with_access_denied_state_and_session_state(signed_in: OpBrowser) -> None:
    answer = signed_in.submit(consent_page(signed_in, state="kept"), "deny")

    assert answer.location.startswith(REDIRECT_URIS["asking"] + "&")
    assert answer.query["error"] == "access_denied"
    assert answer.query["state"] == "kept"
    assert "session_state" in answer.query
    assert "code" not in answer.query


def test_neither_yes_nor_no_is_no(signed_in: OpBrowser) -> None:
    assert signed_in.submit(consent_page(signed_in)).error == "access_denied"


def test_no_is_not_remembered(signed_in: OpBrowser) -> None:
    signed_in.submit(consent_page(signed_in), "deny")

    assert consent_page(signed_in)
    assert signed_in.renew("asking").error == "consent_required"


def test_yes_is_remembered_for_the_user_the_client_and_the_scopes(signed_in: OpBrowser) -> None:
    signed_in.submit(consent_page(signed_in, scope="openid email"), "allow")

    assert "code" in signed_in.renew("asking", scope="openid email").query
    assert "code" in signed_in.renew("asking", scope="openid").query
    assert signed_in.renew("asking", scope="openid email profile").error == "consent_required"


@pytest.mark.spec("OIDCC-3.1.2.4")
def test_claims_asked_for_by_name_are_asked_about_like_the_scope_that_tells_them(signed_in: OpBrowser) -> None:
    by_name = {"claims": '{"userinfo": {"email": null, "shoe_size": null, "sub": null}, "id_token": {"phone_number": {"essential": true}}}'}
    signed_in.submit(consent_page(signed_in, scope="openid"), "allow")

    assert signed_in.renew("asking", **by_name).error == "consent_required"
    page = consent_page(signed_in, **by_name)
    assert all(text in page.text for text in ("your email address", "your phone number", "<code>shoe_size</code>"))
    assert not any(text in page.text for text in ("your profile", "your postal address", "<code>sub</code>"))

    assert signed_in.submit(page, "deny").query["error"] == "access_denied"
    assert signed_in.renew("asking", **by_name).error == "consent_required"
    signed_in.submit(consent_page(signed_in, **by_name), "allow")
    assert "code" in signed_in.renew("asking", **by_name).query
    assert "code" in signed_in.renew("asking", scope="openid email").query
    assert signed_in.renew("asking", claims='{"userinfo": {"hat_size": null}}').error == "consent_required"


def test_no_scope_can_stand_for_a_claim_asked_for_by_name(signed_in: OpBrowser) -> None:
    signed_in.submit(consent_page(signed_in, scope="openid claim shoe_size"), "allow")

    assert signed_in.renew("asking", claims='{"userinfo": {"shoe_size": null}}').error == "consent_required"


def test_to_allow_less_takes_nothing_back(signed_in: OpBrowser) -> None:
    signed_in.submit(consent_page(signed_in, scope="openid email"), "allow")
    signed_in.submit(consent_page(signed_in, scope="openid profile", prompt="consent"), "allow")

    assert "code" in signed_in.renew("asking", scope="openid email profile").query


def test_what_one_user_allowed_another_is_asked(op: Op, signed_in: OpBrowser) -> None:
    signed_in.submit(consent_page(signed_in), "allow")
    other = op.browser()
    other.sign_in("web", "bob")

    assert other.renew("asking").error == "consent_required"


@pytest.mark.spec("OIDCC-3.1.2.1-prompt")
def test_prompt_consent_asks_a_user_who_has_allowed_it_and_a_client_that_is_never_asked_about(signed_in: OpBrowser) -> None:
    signed_in.submit(consent_page(signed_in), "allow")

    assert consent_page(signed_in, prompt="consent")
    assert "allow" in signed_in.follow(signed_in.authorize("web", prompt="consent")).form.buttons


@pytest.mark.spec("CO-01")
def test_prompt_none_never_shows_the_page(signed_in: OpBrowser) -> None:
    answer = signed_in.renew("asking", state="kept")

    assert (answer.status, answer.error, answer.query["state"]) == (303, "consent_required", "kept")


def test_login_and_consent_follow_each_other_without_a_loop(browser: OpBrowser) -> None:
    page = browser.follow(browser.enter(browser.login_page("asking", prompt="login consent", max_age="0")))

    assert "code" in browser.submit(page, "allow").query


def test_a_question_may_be_opened_again(signed_in: OpBrowser) -> None:
    redirect = signed_in.authorize("asking")
    first = signed_in.follow(redirect)
    second = signed_in.follow(redirect)

    assert "code" in signed_in.submit(second, "allow").query
    assert "code" in signed_in.submit(first, "allow").query


# -- in whose name ----------------------------------------------------------------------------------------------------


def test_nobody_signed_in_is_asked_to_sign_in_first(browser: OpBrowser) -> None:
    page = browser.follow(browser.get("/consent", **request_of("asking")))

    assert "password" in page.form.fields


def test_an_answer_after_the_session_has_ended_counts_for_nothing(op: Op, signed_in: OpBrowser) -> None:
    page = consent_page(signed_in)
    signed_in.submit(signed_in.end_session(), "logout")

    answer = signed_in.follow(signed_in.submit(page, "allow"))

    assert "password" in answer.form.fields
    assert op.server.store.consent("alice", "asking") is None


def test_an_answer_to_a_question_put_to_somebody_else_counts_for_nothing(op: Op, signed_in: OpBrowser) -> None:
    page = consent_page(signed_in)
    signed_in.enter(signed_in.get("/login"), "bob")

    answer = signed_in.follow(signed_in.submit(page, "allow"))

    assert "allow" in answer.form.buttons
    assert "bob" in answer.text
    assert op.server.store.consent("alice", "asking") is None
    assert op.server.store.consent("bob", "asking") is None


def test_the_page_does_not_stand_in_for_a_login_that_the_request_asks_for(op: Op, signed_in: OpBrowser) -> None:
    op.clock.advance(10)
    page = signed_in.get("/consent", **request_of("asking", prompt="login"))

    answer = signed_in.follow(signed_in.submit(page, "allow"))

    assert "password" in answer.form.fields


# -- forged and late answers ------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-12")
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example.com"}, {"Origin": "null", "Sec-Fetch-Site": None}, {"Origin": None, "Sec-Fetch-Site": "cross-site"}],
    ids=["another origin", "an opaque origin", "cross-site"],
)
def test_an_answer_from_another_site_is_refused(op: Op, signed_in: OpBrowser, headers: dict[str, Any]) -> None:
    answer = signed_in.submit(consent_page(signed_in), "allow", headers)

    assert answer.status == 403
    assert op.server.store.consent("alice", "asking") is None


@pytest.mark.spec("CO-12")
@pytest.mark.parametrize("changes", [{"csrf": ""}, {"csrf": "x"}, {"waiting": ""}, {"waiting": "x"}], ids=str)
def test_an_answer_without_its_token_or_its_request_is_refused(op: Op, signed_in: OpBrowser, changes: dict[str, Any]) -> None:
    answer = signed_in.submit(consent_page(signed_in), "allow", **changes)

    assert answer.status == 400
    assert answer.error == (None if "csrf" in changes else "invalid_request")
    assert op.server.store.consent("alice", "asking") is None


def test_an_answer_that_was_sent_twice_leads_on_twice(signed_in: OpBrowser) -> None:
    page = consent_page(signed_in)
    codes = [signed_in.submit(page, "allow").query["code"] for _ in range(2)]

    assert len(set(codes)) == 2


def test_a_question_may_stay_open_for_hours(op: Op, signed_in: OpBrowser) -> None:
    page = consent_page(signed_in)
    op.clock.advance(3 * 3600)

    assert "code" in signed_in.submit(page, "allow").query


def test_a_question_of_before_the_browser_lost_its_cookie_is_asked_again(signed_in: OpBrowser) -> None:
    page = consent_page(signed_in)
    del signed_in.jar["op_login"]

    again = signed_in.submit(page, "allow")

    assert again.status == 400
    assert "code" in signed_in.submit(again, "allow").query


def test_a_question_of_another_server_gets_a_page(signed_in: OpBrowser) -> None:
    assert signed_in.get("/consent", waiting="x").status == 400


def test_a_bad_request_gets_no_question(signed_in: OpBrowser) -> None:
    answer = signed_in.get("/consent", **request_of("asking", redirect_uri="https://evil.example.com/"))

    assert (answer.status, answer.error) == (400, "invalid_redirect_uri")

"""prompt=select_account: the user goes on with the account that is signed in here, or signs in with another one (OIDCC-3.1.2.1)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.bundled_op import Op, OpBrowser, make_settings
from tests.wsgi_browser import Answer


@pytest.fixture(scope="module")
def op(keys_file: str) -> Op:
    """One OP for all: each test has a browser of its own."""
    return Op.build(make_settings(keys_file))


@pytest.fixture
def browser(op: Op) -> OpBrowser:
    return op.browser()


@pytest.fixture
def signed_in(browser: OpBrowser) -> OpBrowser:
    browser.sign_in()
    return browser


def id_token_claims(browser: OpBrowser, answer: Answer, client_id: str = "web") -> dict[str, Any]:
    token = browser.redeem(answer.query["code"], client_id).json["id_token"]
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_the_user_may_go_on_with_the_account_of_before(op: Op, signed_in: OpBrowser) -> None:
    began = op.clock()
    op.clock.advance(60)

    page = signed_in.login_page(prompt="select_account", state="s 1")
    answer = signed_in.submit(page, "continue")

    assert "alice" in page.text
    assert answer.query["state"] == "s 1"
    assert id_token_claims(signed_in, answer)["auth_time"] == began


def test_the_user_may_sign_in_with_another_account(signed_in: OpBrowser) -> None:
    before = id_token_claims(signed_in, signed_in.renew())["sub"]

    answer = signed_in.enter(signed_in.login_page(prompt="select_account"), "bob")

    assert id_token_claims(signed_in, answer)["sub"] != before


@pytest.mark.spec("OIDCC-3.1.2.1-prompt")
def test_it_is_asked_each_time(signed_in: OpBrowser) -> None:
    signed_in.submit(signed_in.login_page(prompt="select_account"), "continue")

    assert signed_in.authorize(prompt="select_account").location.startswith("/login?")


def test_the_account_is_offered_again_after_a_wrong_password(signed_in: OpBrowser) -> None:
    page = signed_in.submit(signed_in.login_page(prompt="select_account"), username="bob", password="wrong")

    assert page.status == 403
    assert "code" in signed_in.submit(page, "continue").query


def test_consent_follows_the_choice_without_a_loop(signed_in: OpBrowser) -> None:
    page = signed_in.submit(signed_in.login_page("asking", prompt="select_account consent"), "continue")

    answer = signed_in.submit(signed_in.follow(page), "allow")

    assert "code" in answer.query


@pytest.mark.parametrize(
    "asked",
    [{"prompt": "login"}, {"prompt": "login select_account"}, {"prompt": "select_account", "max_age": "0"}],
    ids=str,
)
def test_no_account_is_offered_where_only_a_login_will_do(signed_in: OpBrowser, asked: dict[str, str]) -> None:
    page = signed_in.login_page(**asked)

    assert "continue" not in page.form.buttons
    # a form that says so all the same is not believed
    assert signed_in.post("/login", page.form.fields | {"continue": "yes"}).location.startswith("/authorization?")


def test_no_account_is_offered_where_the_application_wants_another_user(op: Op, signed_in: OpBrowser) -> None:
    hint = op.browser().sign_in(user="bob")["id_token"]

    assert "continue" not in signed_in.login_page(prompt="select_account", id_token_hint=hint).form.buttons


def test_nobody_signed_in_is_offered_nothing(browser: OpBrowser) -> None:
    page = browser.login_page(prompt="select_account")

    assert "continue" not in page.form.buttons
    assert "code" in browser.enter(page).query


def test_a_choice_offered_before_somebody_else_signed_in_counts_for_nothing(op: Op, signed_in: OpBrowser) -> None:
    page = signed_in.login_page(prompt="select_account")
    signed_in.enter(signed_in.login_page(prompt="login"), "bob")

    answer = signed_in.submit(page, "continue")

    assert answer.location.startswith("/authorization?")
    assert "bob" in signed_in.follow(answer).text


def test_a_choice_after_the_logout_leads_to_the_login_page(signed_in: OpBrowser) -> None:
    page = signed_in.login_page(prompt="select_account")
    signed_in.submit(signed_in.end_session(), "logout")

    answer = signed_in.follow(signed_in.submit(page, "continue"))

    assert "continue" not in answer.form.buttons
    assert "password" in answer.form.fields


@pytest.mark.spec("SEC-02")
@pytest.mark.parametrize("changes", [{"csrf": ""}, {"csrf": "x"}, {"waiting": "x"}], ids=str)
def test_a_choice_without_its_token_or_its_request_is_refused(signed_in: OpBrowser, changes: dict[str, Any]) -> None:
    page = signed_in.login_page(prompt="select_account")

    answer = signed_in.submit(page, "continue", **changes)

    assert answer.status == 400
    assert answer.error == (None if "csrf" in changes else "invalid_request")


@pytest.mark.parametrize("word", ["continue", "has_chosen_account", "account"])
def test_an_application_cannot_choose_for_the_user(signed_in: OpBrowser, word: str) -> None:
    assert signed_in.authorize(prompt="select_account", **{word: "yes"}).location.startswith("/login?")

"""The login page: who is let in, for which request, and what a forged or a late form gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bundled_op import Op, OpBrowser, request_of
from tests.wsgi_browser import Answer

FOREIGN_FORMS = {
    "another origin": {"Origin": "https://evil.example.com"},
    "an opaque origin": {"Origin": "null", "Sec-Fetch-Site": None},
    "an opaque origin of another site": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "another port of this host": {"Origin": "http://localhost:8081"},
    "another scheme": {"Origin": "https://localhost:8080"},
    "cross-site by Fetch Metadata": {"Origin": None, "Sec-Fetch-Site": "cross-site"},
    "same-site by Fetch Metadata": {"Origin": None, "Sec-Fetch-Site": "same-site"},
    "own origin, yet cross-site": {"Sec-Fetch-Site": "cross-site"},
}


def sessions(op: Op, user: str = "alice") -> int:
    return len(op.server.store.op_sessions_of_user(user))


# -- the page ---------------------------------------------------------------------------------------------------------


def test_a_request_of_nobody_leads_to_a_page_that_names_the_application(browser: OpBrowser) -> None:
    page = browser.login_page("web")

    assert page.status == 200
    assert "Web RP" in page.text


def test_login_hint_is_filled_in(browser: OpBrowser) -> None:
    assert browser.login_page(login_hint="alice").form.fields["username"] == "alice"


@pytest.mark.spec("SEC-11")
def test_login_hint_and_client_name_are_escaped(browser: OpBrowser) -> None:
    page = browser.login_page("asking", login_hint='"><script>alert(1)</script>')

    assert page.form.fields["username"] == '"><script>alert(1)</script>'
    assert "<script" not in page.text
    assert "<RP>" not in page.text


def test_a_bad_request_gets_no_login_page(browser: OpBrowser) -> None:
    answer = browser.get("/login", **request_of(redirect_uri="https://evil.example.com/"))

    assert (answer.status, answer.error) == (400, "invalid_redirect_uri")
    assert not answer.cookies


def test_the_page_alone_signs_in_at_the_op_for_no_application(op: Op, browser: OpBrowser) -> None:
    answer = browser.enter(browser.get("/login"))

    assert (answer.status, answer.location) == (303, "/")
    assert "alice" in browser.follow(answer).text
    assert browser.is_signed_in("web")


@pytest.mark.spec("SEC-01", "CO-12")
def test_the_page_cannot_be_framed_or_kept(browser: OpBrowser) -> None:
    page = browser.login_page()

    assert "frame-ancestors 'none'" in (page.header("Content-Security-Policy") or "")
    assert page.header("X-Frame-Options") == "DENY"
    assert page.header("Cache-Control") == "no-store"


def test_head_is_answered_as_get_without_a_body(browser: OpBrowser) -> None:
    answer = browser.send("HEAD", "/login")

    assert (answer.status, answer.body) == (200, b"")


# -- signing in -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-15")
def test_the_right_password_leads_back_to_the_application_with_state_and_a_session(browser: OpBrowser) -> None:
    answer = browser.enter(browser.login_page(state="a b&c"))

    assert answer.status == 303
    assert answer.location.startswith("https://web.example.com/cb?")
    assert answer.query["state"] == "a b&c"
    assert {"code", "session_state"} <= answer.query.keys()
    assert "HttpOnly" in answer.cookies["op_session"]
    assert "SameSite=Lax" in answer.cookies["op_session"]


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice", "builder"),
        ("alice", ""),
        ("nobody", "wonderland"),
        ("Alice", "wonderland"),
        ("", ""),
        ("alice", "x" * 5000),
        ("alice\u200b", "wonderland"),
    ],
)
def test_a_wrong_name_or_password_gets_the_form_again_with_403(op: Op, browser: OpBrowser, username: str, password: str) -> None:
    page = browser.submit(browser.login_page(), username=username, password=password)

    assert page.status == 403
    assert page.form.fields["username"] == username
    assert page.form.fields["password"] == ""
    assert password not in page.text or not password
    assert "op_session" not in page.cookies
    assert not sessions(op)


def test_after_a_wrong_password_the_right_one_carries_the_same_request_on(browser: OpBrowser) -> None:
    page = browser.submit(browser.login_page(state="kept"), username="alice", password="wrong")

    assert browser.enter(page).query["state"] == "kept"


def test_names_and_passwords_are_compared_in_one_form_of_unicode(make_op: Any) -> None:
    browser = make_op(users=[{"username": "jürgen", "password": "grüß"}]).browser()

    answer = browser.submit(browser.login_page(), username="ju\u0308rgen", password="gru\u0308ß")

    assert "code" in answer.query


def test_a_password_in_the_query_is_not_looked_at(op: Op, browser: OpBrowser) -> None:
    fields: dict[str, Any] = browser.get("/login").form.fields | {"username": "alice", "password": "wonderland"}

    answer = browser.get("/login", **fields)

    assert answer.status == 400
    assert not sessions(op)


def test_a_form_that_was_sent_twice_leads_on_twice(browser: OpBrowser) -> None:
    page = browser.login_page()

    first, second = browser.enter(page), browser.enter(page)

    assert "code" in first.query
    assert "code" in second.query
    assert first.query["code"] != second.query["code"]


@pytest.mark.spec("SM-13")
def test_signing_in_as_somebody_else_ends_the_session_before(op: Op, browser: OpBrowser) -> None:
    browser.sign_in(user="alice")
    before = dict(browser.jar)

    browser.enter(browser.get("/login"), "bob")

    assert sessions(op, "alice") == 0
    assert sessions(op, "bob") == 1
    assert browser.jar["op_browser_state"] != before["op_browser_state"]
    browser.jar = before
    assert not browser.is_signed_in()


@pytest.mark.spec("CO-09", "SEC-15")
def test_signing_in_again_keeps_the_session_under_a_new_cookie(op: Op, browser: OpBrowser) -> None:
    browser.sign_in()
    before = dict(browser.jar)
    op.clock.advance(10)

    browser.enter(browser.login_page(prompt="login"))

    assert sessions(op) == 1
    assert browser.jar["op_browser_state"] == before["op_browser_state"]
    assert browser.jar["op_session"] != before["op_session"]


@pytest.mark.spec("SEC-15")
def test_a_session_cookie_that_was_planted_before_the_login_is_worth_nothing_after_it(op: Op, browser: OpBrowser) -> None:
    attacker = op.browser()
    attacker.sign_in(user="bob")
    browser.jar["op_session"] = attacker.jar["op_session"]

    browser.enter(browser.get("/login"), "alice")

    assert not attacker.is_signed_in()
    assert browser.jar["op_session"] != attacker.jar["op_session"]


@pytest.mark.spec("CO-03")
def test_a_hint_of_somebody_else_gets_an_error_for_the_application(op: Op, browser: OpBrowser) -> None:
    hint = op.browser().sign_in(user="alice")["id_token"]

    answer = browser.enter(browser.login_page(id_token_hint=hint), "bob")

    assert answer.error == "login_required"
    assert answer.query["state"] == "the state"


# -- prompt and max_age -----------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-08")
@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}, {"prompt": "login consent"}])
@pytest.mark.parametrize("client_id", ["web", "asking"])
def test_a_fresh_login_is_asked_for_once(op: Op, browser: OpBrowser, client_id: str, asked: dict[str, str]) -> None:
    browser.sign_in(client_id)
    op.clock.advance(10)

    answer = browser.follow(browser.enter(browser.login_page(client_id, **asked)))
    if answer.is_page():
        answer = browser.submit(answer, "allow")

    assert "code" in answer.query


@pytest.mark.spec("CO-08")
def test_max_age_lets_a_recent_login_through_and_no_older_one(op: Op, browser: OpBrowser) -> None:
    browser.sign_in()
    op.clock.advance(10)

    assert "code" in browser.renew(max_age="11").query
    assert browser.renew(max_age="10").error == "login_required"


@pytest.mark.spec("CO-02")
@pytest.mark.parametrize("is_signed_in", [False, True])
@pytest.mark.parametrize("prompt", ["none login", "login none", "none consent", "select_account none", "none login consent"])
def test_prompt_none_with_another_is_an_error(browser: OpBrowser, prompt: str, is_signed_in: bool) -> None:
    if is_signed_in:
        browser.sign_in()

    answer = browser.authorize(prompt=prompt, state="kept")

    assert (answer.status, answer.error, answer.query["state"]) == (303, "invalid_request", "kept")


# -- forged and late forms --------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-12")
@pytest.mark.parametrize("headers", FOREIGN_FORMS.values(), ids=FOREIGN_FORMS.keys())
def test_a_form_from_elsewhere_signs_nobody_in(op: Op, browser: OpBrowser, headers: dict[str, str | None]) -> None:
    answer = browser.enter(browser.login_page(), headers=headers)

    assert (answer.status, answer.error) == (403, "invalid_request")
    assert not answer.cookies
    assert not sessions(op)


def test_a_browser_that_tells_no_origin_is_let_in(browser: OpBrowser) -> None:
    answer = browser.enter(browser.login_page(), headers={"Origin": None, "Sec-Fetch-Site": None})

    assert "code" in answer.query


@pytest.mark.spec("CO-12")
@pytest.mark.parametrize("token", ["", "x", "ü", None], ids=["empty", "wrong", "not ASCII", "missing"])
def test_a_form_without_this_browsers_token_signs_nobody_in(op: Op, browser: OpBrowser, token: str | None) -> None:
    fields = browser.login_page().form.fields | {"username": "alice", "password": "wonderland"}
    if token is None:
        del fields["csrf"]
    else:
        fields["csrf"] = token

    assert browser.post("/login", fields).status == 400
    assert not sessions(op)


@pytest.mark.spec("CO-12")
def test_a_form_with_another_browsers_token_signs_nobody_in(op: Op, browser: OpBrowser) -> None:
    page = op.browser().login_page()
    browser.login_page()

    assert browser.enter(page).status == 400
    assert not sessions(op)


def test_a_form_without_its_cookie_signs_no_user_in(op: Op, browser: OpBrowser) -> None:
    page = browser.login_page()
    browser.jar.clear()

    assert browser.enter(page).status == 400
    assert not sessions(op)


def test_a_form_of_before_the_browser_was_closed_is_shown_again_with_its_request_and_user_name(browser: OpBrowser) -> None:
    page = browser.login_page(state="s1")
    browser.jar.clear()

    again = browser.enter(page)

    assert again.form.fields["username"] == "alice"
    assert "password" not in {name for name, value in again.form.fields.items() if value == "wonderland"}
    assert browser.enter(again).query["state"] == "s1"


def test_a_form_may_stay_open_for_a_day(op: Op, browser: OpBrowser) -> None:
    page = browser.login_page(state="s1")
    op.clock.advance(86_400)

    assert browser.enter(page).query["state"] == "s1"


def test_each_of_many_tabs_carries_its_own_request_on(browser: OpBrowser) -> None:
    pages = [browser.login_page(state=f"s{number}") for number in range(20)]

    assert [browser.enter(page).query["state"] for page in pages] == [f"s{number}" for number in range(20)]


def test_an_open_login_page_keeps_nothing_in_the_store(op: Op, browser: OpBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[object] = []
    monkeypatch.setattr(op.server.store, "commit", commits.append)

    browser.get("/login", **request_of("web", nonsense="x" * 30_000))

    assert commits == []


def test_unknown_parameters_are_not_carried_on(browser: OpBrowser) -> None:
    small = browser.get("/login", **request_of("web"))
    large = browser.get("/login", **request_of("web", nonsense="x" * 30_000))

    assert len(large.form.fields["waiting"]) == len(small.form.fields["waiting"])


def test_a_form_behind_a_proxy_that_hides_the_referrer_is_accepted_where_the_browser_reports_its_own_site(browser: OpBrowser) -> None:
    page = browser.login_page()

    answer = browser.submit(page, headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"}, username="alice", password="wonderland")

    assert "code" in answer.query


@pytest.mark.parametrize("waiting", ["", "x", "../web", "a" * 1000, "\xfc"])
def test_a_request_that_was_not_sealed_here_is_refused(op: Op, browser: OpBrowser, waiting: str) -> None:
    assert refusal(browser.enter(browser.get("/login"), waiting=waiting)) == (400, "invalid_request")
    assert not sessions(op)


def test_a_client_that_was_taken_back_meanwhile_gets_nothing(op: Op, browser: OpBrowser) -> None:
    page = browser.login_page("web")
    del op.server.op.server_clients._static["web"]

    answer = browser.enter(page)

    assert (answer.status, answer.error) == (400, "unauthorized_client")
    assert not answer.location


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ('{"username": "alice"}', "application/json", 415),
        ("username=alice", "text/plain", 415),
        ("username=alice&username=bob", "application/x-www-form-urlencoded", 400),
        ("username=%ff", "application/x-www-form-urlencoded", 400),
        ("username=a%0d%0ab", "application/x-www-form-urlencoded", 400),
        ("a=b&" * 200, "application/x-www-form-urlencoded", 400),
    ],
    ids=["JSON", "text", "repeated", "not UTF-8", "CRLF", "too many"],
)
def test_a_body_that_is_no_form_gets_a_page(browser: OpBrowser, body: str, content_type: str, status: int) -> None:
    answer = browser.post("/login", body, {"Content-Type": content_type})

    assert answer.status == status
    assert answer.is_page()


# -- a user who is there no more --------------------------------------------------------------------------------------


def forget(op: Op, user: str) -> None:
    """What a restart does with a settings file that has a user less."""
    del op.server.op.users._claims[user]


def test_a_user_who_was_taken_out_of_the_settings_is_signed_in_no_more(op: Op, browser: OpBrowser) -> None:
    browser.sign_in(user="alice")
    forget(op, "alice")

    answer = browser.renew()

    assert answer.error == "login_required"
    assert "Max-Age=0" in answer.cookies["op_session"]
    assert sessions(op) == 0


def test_the_front_page_does_not_know_a_user_who_was_taken_out(op: Op, browser: OpBrowser) -> None:
    browser.sign_in(user="alice")
    forget(op, "alice")

    assert "alice" not in browser.get("/").text


def test_tokens_of_a_user_who_was_taken_out_are_dead(op: Op, browser: OpBrowser) -> None:
    tokens = browser.sign_in(user="alice", scope="openid offline_access", prompt="consent")
    forget(op, "alice")

    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"
    assert browser.refresh(tokens["refresh_token"]).error == "invalid_grant"


def test_signing_in_as_another_user_ends_the_session_of_one_who_was_taken_out(op: Op, browser: OpBrowser) -> None:
    browser.sign_in(user="alice")
    forget(op, "alice")

    browser.sign_in(user="bob")

    assert (sessions(op, "alice"), sessions(op, "bob")) == (0, 1)


def refusal(answer: Answer) -> tuple[int, str | None]:
    assert "op_session" not in answer.cookies
    return answer.status, answer.error

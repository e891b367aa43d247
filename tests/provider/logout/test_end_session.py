"""The end-session endpoint at the seam: pages, redirects, cookies, methods; the decisions are tested with the use case."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.store.changes import EndOpSession, PutEphemeral, UpdateOpSession
from tests.provider.conftest import JWKS, Answer, Browser, MakeOp, Op, environ_of

OUT = "https://basic.example.com/out"
SESSION_COOKIE = "__Host-op_session"


@pytest.fixture
def hint(browser: Browser) -> str:
    return browser.sign_in()["id_token"]


def is_question(answer: Answer) -> bool:
    return answer.status == 200 and "confirmation" in answer.form.fields


# -- a valid hint ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RI-01", "RI-35", "RI-46", "RI-47", "WR-08")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_hint_of_this_session_logs_out_and_redirects_with_state(browser: Browser, hint: str, method: str) -> None:
    answer = browser.end_session(method, id_token_hint=hint, post_logout_redirect_uri=OUT, state='a b&=+%#"é')

    assert answer.status == 303
    assert answer.location == f"{OUT}?state=a%20b%26%3D%2B%25%23%22%C3%A9"
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-49", "RI-42")
def test_without_a_redirect_uri_a_page_says_that_it_is_done(browser: Browser, hint: str) -> None:
    answer = browser.end_session(id_token_hint=hint, state="x")

    assert answer.status == 200
    assert not is_question(answer)
    assert answer.header("Location") is None
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-50", "SM-17")
def test_the_session_cookie_goes_and_the_state_is_replaced(browser: Browser, hint: str) -> None:
    before = browser.jar["__Host-op_browser_state"]

    answer = browser.end_session(id_token_hint=hint)

    assert "Max-Age=0" in answer.cookies[SESSION_COOKIE]
    assert SESSION_COOKIE not in browser.jar
    assert browser.jar["__Host-op_browser_state"] != before


@pytest.mark.spec("RI-50")
def test_the_old_cookie_replayed_signs_nobody_in(browser: Browser, hint: str) -> None:
    old = dict(browser.jar)
    browser.end_session(id_token_hint=hint)
    browser.jar = old

    assert not browser.is_signed_in()


@pytest.mark.spec("RI-43")
@pytest.mark.parametrize(
    "uri",
    [
        f"{OUT}?foo=bar",
        f"{OUT}/",
        "https://BASIC.example.com/out",
        "https://basic.example.com:443/out",
        "https://basic.example.com/%6fut",
        "https://user@basic.example.com/out",
        f"{OUT}#f",
        "https://basic.example.com/cb",
        "https://post.example.com/out",
        "//evil.example/out",
        "https:evil.example",
        "javascript:alert(1)",
        "https://basic.example.com\\@evil.example/out",
    ],
)
def test_a_uri_that_is_not_exactly_registered_is_never_redirected_to(browser: Browser, hint: str, uri: str) -> None:
    answer = browser.end_session(id_token_hint=hint, post_logout_redirect_uri=uri)

    assert answer.header("Location") is None
    if is_question(answer):
        answer = browser.confirm(answer)
    assert answer.header("Location") is None
    assert "evil.example" not in answer.body


# -- the question ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RI-31", "RI-04", "WR-03")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_hint_the_user_is_asked(browser: Browser, hint: str, method: str) -> None:
    answer = browser.end_session(method, client_id="basic", post_logout_redirect_uri=OUT)

    assert is_question(answer)
    assert "Basic RP" in answer.body
    assert browser.is_signed_in()


@pytest.mark.spec("RI-33", "RI-37")
def test_a_yes_logs_out(browser: Browser, hint: str) -> None:
    answer = browser.confirm(browser.end_session())

    assert answer.status == 200
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-34")
def test_a_no_ends_nothing_and_redirects_nowhere(browser: Browser, op: Op, hint: str) -> None:
    other = op.browser().sign_in()["id_token"]
    page = browser.end_session(id_token_hint=other, post_logout_redirect_uri=OUT)

    answer = browser.confirm(page, "stay")

    assert answer.status == 200
    assert answer.header("Location") is None
    assert browser.is_signed_in()


@pytest.mark.spec("RI-32", "RI-37")
def test_a_hint_of_another_browser_asks_and_redirects_after_a_yes(browser: Browser, op: Op, hint: str) -> None:
    other = op.browser().sign_in()["id_token"]
    page = browser.end_session(id_token_hint=other, post_logout_redirect_uri=OUT, state="s t")
    assert is_question(page)

    answer = browser.confirm(page)

    assert answer.status == 303
    assert answer.location == f"{OUT}?state=s%20t"


@pytest.mark.spec("RI-32")
def test_a_hint_of_another_user_asks(browser: Browser, op: Op, hint: str) -> None:
    bobs = op.browser().sign_in(login="bob")["id_token"]

    assert is_question(browser.end_session(id_token_hint=bobs))
    assert browser.is_signed_in()


@pytest.mark.spec("RI-10", "RI-45", "RI-20")
def test_a_forged_hint_asks_and_redirects_nowhere(browser: Browser, op: Op, hint: str) -> None:
    claims = dict(jose.read_unverified(hint).claims)
    forged = jose.sign(claims, jose.mac_key("0123456789abcdef0123456789abcdef", "HS256"), "HS256")

    page = browser.end_session(id_token_hint=forged, post_logout_redirect_uri=OUT)

    assert is_question(page)
    assert browser.confirm(page).header("Location") is None


@pytest.mark.spec("RI-36", "SEC-13")
def test_an_answer_is_good_once(browser: Browser, op: Op, hint: str) -> None:
    page = browser.end_session()
    kept = dict(browser.jar)
    browser.confirm(page, "stay")

    again = browser.confirm(page)

    assert again.status == 400
    assert kept == browser.jar
    assert browser.is_signed_in()


@pytest.mark.spec("RI-36", "SEC-02")
def test_an_answer_of_another_browser_is_refused(op: Op, browser: Browser, hint: str) -> None:
    attacker = op.browser()
    attacker.sign_in(login="bob")
    page = attacker.end_session()

    assert browser.confirm(page).status == 400
    assert browser.is_signed_in()
    assert attacker.is_signed_in()


@pytest.mark.spec("RI-36")
@pytest.mark.parametrize("confirmation", ["", "x", "A" * 43, "é"])
def test_an_answer_without_its_secret_is_refused(browser: Browser, hint: str, confirmation: str) -> None:
    answer = browser.end_session("POST", confirmation=confirmation, logout="yes")

    assert answer.status == 400
    assert browser.is_signed_in()


@pytest.mark.spec("RI-36", "WR-04")
def test_an_answer_in_a_url_is_none(browser: Browser, hint: str) -> None:
    page = browser.end_session()

    answer = browser.end_session("GET", **page.form.fields, logout="yes", confirmed="true")

    assert is_question(answer)
    assert browser.is_signed_in()


@pytest.mark.parametrize("answers", [{}, {"logout": "yes", "stay": "yes"}, {"Logout": "yes"}])
def test_an_answer_must_be_one_of_the_two(browser: Browser, hint: str, answers: dict[str, str]) -> None:
    page = browser.end_session()

    assert browser.end_session("POST", **page.form.fields, **answers).status == 400
    assert browser.is_signed_in()
    assert browser.confirm(page).status == 200
    assert not browser.is_signed_in()


def test_an_answer_that_comes_too_late_is_refused(op: Op, browser: Browser, hint: str) -> None:
    page = browser.end_session()
    op.clock.advance(601)

    assert browser.confirm(page).status == 400
    assert browser.is_signed_in()


def test_a_new_login_of_the_same_user_does_not_make_the_question_another_ones(browser: Browser, hint: str) -> None:
    page = browser.end_session()
    browser.sign_in()

    assert browser.confirm(page).status == 200
    assert not browser.is_signed_in()


def test_a_question_asked_of_one_user_does_not_log_out_the_next(browser: Browser, hint: str) -> None:
    page = browser.end_session()
    browser.sign_in(login="bob")

    assert browser.confirm(page).status == 400
    assert browser.is_signed_in()


@pytest.mark.spec("RI-37")
def test_a_uri_taken_back_meanwhile_is_not_redirected_to(op: Op, browser: Browser, hint: str) -> None:
    other = op.browser().sign_in()["id_token"]
    page = browser.end_session(id_token_hint=other, post_logout_redirect_uri=OUT)
    op.clients["basic"]["post_logout_redirect_uris"] = []

    answer = browser.confirm(page)

    assert answer.header("Location") is None
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-30")
def test_an_op_may_always_ask(make_op: MakeOp) -> None:
    op = make_op(ask="always")
    browser = op.browser()
    hint = browser.sign_in()["id_token"]

    page = browser.end_session(id_token_hint=hint, post_logout_redirect_uri=OUT)

    assert is_question(page)
    assert browser.is_signed_in()
    assert browser.confirm(page).location == OUT


# -- nobody signed in --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RI-05")
def test_a_second_logout_redirects_as_the_first(browser: Browser, hint: str) -> None:
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": OUT, "state": "x"}
    browser.end_session(**asked)

    assert browser.end_session(**asked).location == f"{OUT}?state=x"


@pytest.mark.spec("RI-04", "RI-05")
def test_nobody_signed_in_sees_the_page(browser: Browser) -> None:
    answer = browser.end_session()

    assert answer.status == 200
    assert not is_question(answer)


def test_a_session_whose_time_is_over_is_ended_and_its_cookie_goes(make_op: MakeOp) -> None:
    op = make_op(idle_timeout_s=100)
    browser = op.browser()
    browser.sign_in()
    op.clock.advance(101)

    answer = browser.end_session()

    assert not is_question(answer)
    assert op.store.op_sessions_of_user("alice") == []
    assert SESSION_COOKIE not in browser.jar


# -- cross-site forms --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RI-03", "RI-48")
def test_a_form_without_its_cookie_is_sent_round_to_fetch_it(op: Op, browser: Browser, hint: str) -> None:
    crossing = op.browser()
    params = {"id_token_hint": hint, "post_logout_redirect_uri": OUT, "state": "x"}

    answer = crossing.end_session("POST", **params)

    assert answer.status == 303
    assert re.fullmatch(r"/end_session\?resume=[A-Za-z0-9_-]{43}", answer.location)
    assert hint not in answer.location
    assert SESSION_COOKIE not in answer.cookies  # the cookie that did not come along must not be lost
    resumed = browser.end_session_raw(answer.location.partition("?")[2])
    assert resumed.location == f"{OUT}?state=x"
    assert not browser.is_signed_in()


@pytest.mark.spec("SEC-02")
def test_a_request_put_aside_is_resumed_once(op: Op, browser: Browser, hint: str) -> None:
    answer = op.browser().end_session("POST", id_token_hint=hint)
    resume = answer.location.partition("?")[2]
    op.browser().end_session_raw(resume)

    assert is_question(browser.end_session_raw(resume))
    assert browser.is_signed_in()


@pytest.mark.parametrize("key", ["", "x", "A" * 43, "../../x"])
def test_a_made_up_key_resumes_nothing(browser: Browser, hint: str, key: str) -> None:
    assert is_question(browser.end_session_raw(urlencode({"resume": key})))
    assert browser.is_signed_in()


@pytest.mark.spec("SEC-02", "SEC-04")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stolen_hint_without_the_browser_ends_nothing(op: Op, browser: Browser, hint: str, method: str) -> None:
    thief = op.browser()
    answer = thief.end_session(method, id_token_hint=hint)
    if answer.status == 303:
        thief.end_session_raw(answer.location.partition("?")[2])

    assert browser.is_signed_in()


# -- bad requests ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RI-07", "RI-22", "RI-38", "RI-45")
@pytest.mark.parametrize(
    "text",
    [
        "client_id=nobody",
        "client_id=basic&client_id=basic",
        "state=1&state=2",
        "id_token_hint=a&id_token_hint=b",
        "state=" + "s" * 5000,
        "id_token_hint=" + "h" * 20_000,
        "state=%0d%0aSet-Cookie:%20x=y",
        "state=%ff",
        "client_id=%00",
        "a=" + "b" * 70_000,
        "&".join(f"p{number}=1" for number in range(200)),
    ],
    ids=["client", "client twice", "state twice", "hint twice", "long state", "long hint", "crlf", "utf8", "nul", "long", "many"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bad_request_is_an_error_page_that_offers_the_logout(browser: Browser, hint: str, text: str, method: str) -> None:
    answer = browser.end_session_raw(f"{text}&post_logout_redirect_uri={OUT}", method)

    assert answer.status == 400
    assert answer.header("Location") is None
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.form.action == "/end_session"
    assert browser.is_signed_in()


def test_without_a_session_an_error_page_offers_no_logout(browser: Browser) -> None:
    assert browser.end_session(client_id="nobody").form.action == ""


@pytest.mark.spec("RI-06", "RI-07")
def test_odd_locales_and_unknown_parameters_are_no_error(browser: Browser, hint: str) -> None:
    for text in ("ui_locales=xx-YY%20zz", "ui_locales=", "ui_locales=%3Cscript%3E", "ui_locales=de&ui_locales=en", "foo=1&foo=2"):
        answer = browser.end_session_raw(text)
        assert answer.status in (200, 400)
        assert "<script>" not in answer.body


@pytest.mark.spec("SEC-11", "RI-08")
@pytest.mark.parametrize("name", ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "foo"])
def test_no_value_of_a_request_reaches_a_page(browser: Browser, hint: str, name: str) -> None:
    probe = '"><script>alert(1)</script>'

    for method in ("GET", "POST"):
        answer = browser.end_session(method, **{name: probe})
        assert "alert(1)" not in answer.body
        assert probe not in str(answer.headers)


def test_a_clients_own_name_is_escaped(op: Op, browser: Browser, hint: str) -> None:
    op.clients["basic"]["client_name"] = '<script>alert(1)</script>"'

    assert "<script>alert" not in browser.end_session(client_id="basic").body


@pytest.mark.spec("RI-08")
def test_a_logout_hint_changes_nothing(browser: Browser, hint: str) -> None:
    assert is_question(browser.end_session(logout_hint="alice"))
    assert browser.is_signed_in()


@pytest.mark.spec("RI-02", "RI-51", "SEC-01")
def test_every_answer_is_for_a_browser_and_kept_out_of_caches_frames_and_referrers(browser: Browser, hint: str) -> None:
    answers = [
        browser.end_session(),
        browser.end_session(client_id="nobody"),
        browser.end_session(id_token_hint=hint, post_logout_redirect_uri=OUT),
        browser.end_session(),
    ]

    for answer in answers:
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("Referrer-Policy") in ("no-referrer", "strict-origin")
        if answer.status != 303:
            assert answer.header("Content-Type") == "text/html; charset=utf-8"
            assert answer.header("X-Frame-Options") == "DENY"
            assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or "")


@pytest.mark.spec("RI-52")
def test_no_hint_cookie_or_state_is_logged(browser: Browser, hint: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secrets = [hint, browser.jar[SESSION_COOKIE], browser.jar["__Host-op_browser_state"], "the-state-value"]

    browser.end_session(id_token_hint="x" + hint, state="the-state-value")
    browser.end_session(id_token_hint=hint, state="the-state-value")

    assert not [secret for secret in secrets if secret in caplog.text]


@pytest.mark.spec("RI-17")
def test_a_hint_encrypted_to_the_op_is_read(browser: Browser, hint: str) -> None:
    key = next(key for key in JWKS["keys"] if key["use"] == "enc")
    encrypted = jose.encrypt(hint, jose.import_key(key), "RSA-OAEP-256", "A128GCM")

    assert browser.end_session(id_token_hint=encrypted, post_logout_redirect_uri=OUT).location == OUT


# -- as WSGI -----------------------------------------------------------------------------------------------------------------


def test_the_routes_answer_and_hand_everything_else_on(browser: Browser, hint: str) -> None:
    assert browser.open("/").body == "theirs"
    assert browser.open("/authorization").body == "theirs"
    assert browser.open("/end_session/x").body == "theirs"
    assert is_question(browser.open("/end_session"))
    assert browser.open(f"/end_session?{urlencode({'id_token_hint': hint})}").status == 200
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-01")
def test_a_form_posted_to_the_route_is_read(browser: Browser, hint: str) -> None:
    page = browser.open("/end_session")

    answer = browser.open(page.form.action, method="POST", body=urlencode({**page.form.fields, "logout": "yes"}))

    assert answer.status == 200
    assert not browser.is_signed_in()


def test_the_query_of_a_post_is_not_its_form(browser: Browser, hint: str) -> None:
    answer = browser.open(f"/end_session?{urlencode({'id_token_hint': hint})}", method="POST", body="state=x")

    assert is_question(answer)
    assert browser.is_signed_in()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
def test_another_method_is_refused(browser: Browser, method: str) -> None:
    answer = browser.open("/end_session", method=method)

    assert answer.status == 405
    assert answer.header("Allow") == "GET, POST"


def test_a_body_that_is_no_form_is_refused(browser: Browser, hint: str) -> None:
    answer = browser.open("/end_session", method="POST", body="{}", CONTENT_TYPE="application/json")

    assert answer.status == 415
    assert browser.is_signed_in()


def test_a_store_that_is_down_is_said_and_passes(op: Op, browser: Browser, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: str) -> None:
        raise StoreUnavailable("password=hunter2")

    with monkeypatch.context() as patch:
        patch.setattr(op.store, "op_session_by_cookie", down)
        answer = browser.open("/end_session")

    assert answer.status == 503
    assert answer.header("Retry-After")
    assert "hunter2" not in answer.body
    assert is_question(browser.open("/end_session"))


def test_a_fault_of_ours_leaves_no_traceback_on_the_page(op: Op, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: str) -> None:
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr(op.store, "op_session_by_cookie", broken)
    browser.jar[SESSION_COOKIE] = "A" * 43

    answer = browser.open("/end_session")

    assert answer.status == 500
    assert "hunter2" not in answer.body
    assert "Traceback" not in answer.body


def test_a_head_request_has_the_headers_and_no_body(op: Op) -> None:
    seen = []

    body = op.provider.session_middleware(None, deliver=False)(
        environ_of("/check_session", "HEAD"), lambda _, headers: seen.append(headers)
    )

    assert list(body) == []
    assert int(dict(seen[0])["Content-Length"]) > 0


@pytest.mark.spec("SM-27")
def test_the_iframe_page_can_be_framed_and_cached(browser: Browser) -> None:
    answer = browser.open("/check_session")

    assert answer.status == 200
    assert answer.header("X-Frame-Options") is None
    assert "frame-ancestors" not in (answer.header("Content-Security-Policy") or "")
    assert (answer.header("Cache-Control") or "").startswith("public")
    assert browser.open("/check_session", headers={"If-None-Match": answer.header("ETag") or ""}).status == 304


@pytest.mark.parametrize("path", ["/session_assets/", "/session_assets/x.js", "/session_assets/../conftest.py", "/session_assets/a/b"])
def test_an_asset_that_is_none_is_not_found(browser: Browser, path: str) -> None:
    assert browser.open(path).status == 404


def test_when_others_keep_changing_the_session_the_logout_is_tried_again(
    op: Op, browser: Browser, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, left = op.store.commit, [2]

    def busy(changes: list[EndOpSession | PutEphemeral]) -> None:
        if left[0]:
            left[0] -= 1
            session = op.store.op_sessions_of_user("alice")[0]
            commit([UpdateOpSession(session)])
        commit(changes)

    monkeypatch.setattr(op.store, "commit", busy)

    answer = browser.end_session(id_token_hint=hint, post_logout_redirect_uri=OUT)

    assert answer.location == OUT
    assert not browser.is_signed_in()
    assert len(op.store.notices(10)) == 1


def test_an_answer_as_a_response_object_is_what_pyoidcs_frameworks_send(op: Op) -> None:
    assert Answer.of(op.provider.endsession_endpoint("")).status == 200

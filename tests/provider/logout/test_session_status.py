"""The two endpoints that tell a session's status without cookies: to the iframe, and to a client's server."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.session_management.session_state import verify_session_state
from tests.provider.conftest import CLIENT_RSA_KEY, ISSUER, SECRET, Answer, Browser, MakeOp, Op, basic_auth, request_of

ORIGIN = "https://basic.example.com"
STATE_COOKIE = "__Host-op_browser_state"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def op(make_op: MakeOp) -> Op:
    return make_op(session_status=True)


@pytest.fixture
def browser(op: Op) -> Browser:
    return op.browser()


def ask(
    op: Op,
    form: dict[str, str] | str,
    *,
    origin: str | None = ISSUER,
    method: str = "POST",
    content_type: str = FORM,
    remote: str = "192.0.2.1",
    cookie: str | None = None,
) -> Answer:
    """What the iframe's endpoint answers."""
    body = (form if isinstance(form, str) else urlencode(form)).encode()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/check_session_status",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": remote,
        "wsgi.input": BytesIO(body),
    }
    environ |= {name: value for name, value in (("HTTP_ORIGIN", origin), ("HTTP_COOKIE", cookie)) if value is not None}
    seen: dict[str, Any] = {}
    application = op.provider.session_middleware(lambda _, start: start("404 Not Found", []) or [], deliver=False)
    body = b"".join(application(environ, lambda status, headers: seen.update(status=int(status[:3]), headers=list(headers))))
    return Answer(seen["status"], seen["headers"], body.decode())


def question(answer: Answer, **changes: str) -> dict[str, str]:
    session_state = (answer.in_query or answer.in_fragment)["session_state"]
    return {"client_id": "basic", "session_state": session_state, "origin": ORIGIN} | changes


def told(op: Op, *args: dict[str, str], **kwargs: Any) -> str:
    answer = ask(op, *args, **kwargs)
    assert answer.status == 200, answer.body
    return answer.json["status"]


def status_of(op: Op, sid: str, authn: str | None = None, **form: str) -> Answer:
    """What a client's server is told."""
    authn = basic_auth("basic", SECRET) if authn is None else authn
    return Answer.of(op.ext.session_status.answer(urlencode({"sid": sid} | form), authn=authn))


def sid_of(op: Op, tokens: dict[str, Any]) -> str:
    return op.claims(tokens["id_token"])["sid"]


# -- the iframe's ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SM-04", "SM-21")
@pytest.mark.parametrize("response_mode", [None, "fragment"])
def test_what_every_response_carries_is_answered_until_the_session_ends(op: Op, browser: Browser, response_mode: str | None) -> None:
    hint = browser.sign_in()["id_token"]
    asked = question(browser.renew(response_mode=response_mode))
    before = told(op, asked)

    browser.end_session(id_token_hint=hint)
    op.clock.advance(5)

    assert (before, told(op, asked)) == ("unchanged", "changed")


@pytest.mark.spec("SM-04")
def test_the_iframe_computes_the_same_hash_as_without_it(browser: Browser) -> None:
    answer = browser.authorize(login="alice")

    assert verify_session_state(answer.in_query["session_state"], "basic", ORIGIN, browser.jar[STATE_COOKIE])


def test_the_end_of_a_session_in_one_browser_is_no_change_in_another(op: Op, browser: Browser) -> None:
    other = op.browser()
    hint = browser.sign_in()["id_token"]
    other.sign_in()
    asked = question(other.renew())

    browser.end_session(id_token_hint=hint)

    assert told(op, asked) == "unchanged"


def test_another_user_in_the_same_browser_is_a_change(op: Op, browser: Browser) -> None:
    browser.sign_in(login="alice")
    asked = question(browser.renew())

    browser.sign_in(login="bob")

    assert told(op, asked) == "changed"


def test_where_nobody_is_signed_in_the_op_cannot_tell(op: Op, browser: Browser) -> None:
    assert told(op, question(browser.renew())) == "error"


def test_cookies_are_neither_read_nor_set(op: Op, browser: Browser) -> None:
    browser.sign_in()
    asked = question(browser.renew())

    answer = ask(op, asked, cookie="__Host-op_session=" + "x" * 43)

    assert answer.json == {"status": "unchanged"}
    assert answer.cookies == {}
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("changes", [{"client_id": "post"}, {"origin": "https://post.example.com"}, {"session_state": "0" * 64 + ".x"}])
def test_what_was_not_issued_is_an_error(op: Op, browser: Browser, changes: dict[str, str]) -> None:
    browser.sign_in()

    assert told(op, question(browser.renew(), **changes)) == "error"


@pytest.mark.parametrize("origin", [None, "null", ORIGIN, ISSUER + "/", "http://op.example.com"])
def test_only_the_page_of_the_op_itself_may_ask(op: Op, browser: Browser, origin: str | None) -> None:
    browser.sign_in()

    answer = ask(op, question(browser.renew()), origin=origin)

    assert (answer.status, answer.error) == (403, "invalid_request")


@pytest.mark.parametrize("name", ["client_id", "session_state", "origin"])
def test_a_question_that_is_not_whole_is_refused(op: Op, browser: Browser, name: str) -> None:
    browser.sign_in()
    asked = question(browser.renew())

    for form in ({key: value for key, value in asked.items() if key != name}, asked | {name: ""}):
        assert (ask(op, form).status, ask(op, form).error) == (400, "invalid_request")
    assert ask(op, urlencode(asked) + f"&{name}=x").status == 400


def test_what_is_no_form_and_no_post_is_refused(op: Op) -> None:
    assert ask(op, "{}", content_type="application/json").status == 415
    assert ask(op, "", method="GET").status == 405
    assert ask(op, "x" * 200_000).status == 413
    assert ask(op, "%ff%fe=%00").status == 400


def test_an_address_that_asks_too_often_waits_and_others_do_not(make_op: MakeOp) -> None:
    op = make_op(session_status=True, session_status_per_minute=3)
    browser = op.browser()
    browser.sign_in()
    asked = question(browser.renew())

    answers = [ask(op, asked) for _ in range(4)]
    op.clock.advance(60)

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].error == "temporarily_unavailable"
    assert 0 < int(answers[3].header("Retry-After") or 0) <= 60
    assert told(op, asked) == "unchanged"


def test_a_store_that_is_down_is_a_503(op: Op, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.sign_in()
    asked = question(browser.renew())
    monkeypatch.setattr(op.store, "op_session", lambda _: (_ for _ in ()).throw(StoreUnavailable("down")))

    assert (ask(op, asked).status, ask(op, asked).header("Retry-After")) == (503, "5")


def test_the_page_names_the_endpoint(browser: Browser) -> None:
    page = browser.open("/check_session")

    assert 'data-status="/check_session_status"' in page.body
    assert "connect-src 'self'" in (page.header("Content-Security-Policy") or "")


@pytest.mark.parametrize("settings", [{}, {"session_status": True, "check_session": False}], ids=["off", "without check_session"])
def test_without_the_setting_there_is_no_trace_of_it(make_op: MakeOp, settings: dict[str, bool]) -> None:
    op = make_op(**settings)
    browser = op.browser()
    browser.sign_in()

    assert ask(op, {"client_id": "basic", "session_state": "x", "origin": ORIGIN}).status == 404
    assert "check_session_status" not in browser.open("/check_session").body


@pytest.mark.spec("MD-04")
def test_discovery_lists_no_name_that_nobody_has_registered(op: Op) -> None:
    assert not [value for value in op.provider.create_providerinfo().to_dict().values() if "session_status" in str(value)]


# -- a client's server's -----------------------------------------------------------------------------------------------------


def test_a_client_asks_by_sid(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in()
    before = status_of(op, sid_of(op, tokens))

    browser.end_session(id_token_hint=tokens["id_token"])
    after = status_of(op, sid_of(op, tokens))

    assert (before.status, before.json) == (200, {"status": "live"})
    assert (after.status, after.json) == (200, {"status": "ended", "reason": "rp_initiated"})
    assert before.header("Cache-Control") == after.header("Cache-Control") == "no-store"


def test_of_another_clients_session_a_client_hears_what_it_hears_of_none(op: Op, browser: Browser) -> None:
    sid = sid_of(op, browser.sign_in())
    as_post = {"client_id": "post", "client_secret": SECRET[::-1]}

    answers = [status_of(op, one, "", **as_post) for one in (sid, "never was", "x" * 10_000, "é")]

    assert [(answer.status, answer.json) for answer in answers] == [(200, {"status": "unknown"})] * 4


def test_a_client_that_does_not_prove_who_it_is_hears_nothing(op: Op, browser: Browser) -> None:
    sid = sid_of(op, browser.sign_in())

    for authn, form in ((basic_auth("basic", "wrong"), {}), ("", {}), ("", {"client_id": "basic"}), ("Bearer x", {})):
        answer = status_of(op, sid, authn, **form)
        assert (answer.status, answer.error) == (401, "invalid_client")


def test_a_public_client_hears_nothing(op: Op, browser: Browser) -> None:
    sid = sid_of(op, browser.sign_in("public"))

    answer = status_of(op, sid, "", client_id="public")

    assert (answer.status, answer.error) == (401, "invalid_client")


def test_a_client_assertion_may_be_addressed_to_the_endpoint(op: Op, browser: Browser) -> None:
    now = op.clock()
    claims = {"iss": "keyed", "sub": "keyed", "aud": f"{ISSUER}/session_status", "exp": now + 60, "iat": now, "jti": "one"}
    assertion = jose.sign(claims, CLIENT_RSA_KEY, "RS256")
    form = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion}

    assert status_of(op, "never was", "", **form).json == {"status": "unknown"}
    assert status_of(op, "never was", "", **form).error == "invalid_client"  # the same once more


def test_a_question_without_sid_is_refused(op: Op) -> None:
    answer = Answer.of(op.ext.session_status.answer("", authn=basic_auth("basic", SECRET)))

    assert (answer.status, answer.error) == (400, "invalid_request")


# -- silent requests and headers ---------------------------------------------------------------------------------------------

HELD_BACK = {
    "sec-fetch-dest": "iframe",
    "sec-fetch-site": "cross-site",
    "sec-fetch-storage-access": "inactive",
    "origin": ORIGIN,
}


def test_a_silent_request_whose_cookies_were_held_back_is_asked_for_again(op: Op) -> None:
    answer = op.browser().authorize_raw(urlencode(request_of(prompt="none")), headers=HELD_BACK)

    assert answer.in_query["error"] == "login_required"
    assert answer.header("Activate-Storage-Access") == f'retry; allowed-origin="{ORIGIN}"'
    assert answer.header("Vary") == "Sec-Fetch-Storage-Access"
    assert answer.cookies == {}


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"prompt": "none"}, {"sec-fetch-storage-access": "active"}),
        ({"prompt": "none"}, {"sec-fetch-storage-access": "none"}),
        ({"prompt": "none"}, {"origin": "https://post.example.com"}),
        ({}, {}),
        ({"prompt": "none", "client_id": "nobody"}, {}),
        ({"prompt": "none", "redirect_uri": "https://evil.example/cb"}, {}),
    ],
    ids=["active", "none", "another client's page", "not silent", "unknown client", "foreign redirect_uri"],
)
def test_no_other_request_is(op: Op, changes: dict[str, str], headers: dict[str, str]) -> None:
    answer = op.browser().authorize_raw(urlencode(request_of(**changes)), headers=HELD_BACK | headers)

    assert answer.header("Activate-Storage-Access") is None


TOP = {"sec-fetch-dest": "document"}


def test_login_and_logout_are_told_to_the_browser_where_that_is_set(make_op: MakeOp) -> None:
    op = make_op(login_status=True, clear_site_data=True)
    browser, other = op.browser(), op.browser()
    other.sign_in("post")
    signed_in = browser.authorize(login="alice")
    hint = op.redeem(signed_in.in_query["code"]).json["id_token"]

    signed_out = browser.end_session(id_token_hint=hint)

    assert signed_in.header("Set-Login") == "logged-in"
    assert signed_in.header("Clear-Site-Data") is None
    assert signed_out.header("Set-Login") == "logged-out"
    assert signed_out.header("Clear-Site-Data") == '"cache", "storage"'
    assert STATE_COOKIE in browser.jar
    assert other.is_signed_in("post")
    assert other.renew("post").header("Set-Login") is None


def test_by_default_nothing_is_told(op: Op, browser: Browser) -> None:
    hint = browser.sign_in()["id_token"]

    signed_out = browser.end_session(id_token_hint=hint)

    assert signed_out.header("Set-Login") is None
    assert signed_out.header("Clear-Site-Data") is None

"""The example RP's back channel and front channel over HTTP, and what a page of it is told."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.examples.fake_op import FakeOp
from tests.examples.rp_browser import Browser, found
from tests.examples.rp_process import serving_rp

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def rp(serving_op: FakeOp) -> Iterator[str]:
    """An RP that has registered both channels; its base URL."""
    with serving_rp(serving_op.issuer, "--channel", "frontchannel", "backchannel") as base_url:
        yield base_url


@pytest.fixture
def browser(rp: str, op: FakeOp) -> Browser:
    """A browser in which alice is signed in, as nobody else is."""
    browser = Browser(rp)
    tell(browser, op.logout_token(sid=None))  # the RP serves the whole module
    tell(browser, op.logout_token(sid=None, sub="bob-sub"))
    sign_in(browser, op, sid=f"sid-{secrets.token_hex(8)}")
    return browser


def sign_in(browser: Browser, op: FakeOp, *, sid: str | None, sub: str = "alice-sub") -> None:
    """Sign somebody in by a session that the OP calls `sid`."""
    op.sub, op.claims = sub, {"sid": sid}
    browser.sign_in()
    assert browser.is_signed_in()


def sid_of(browser: Browser) -> str:
    """The `sid` of the session in this browser."""
    return found(r'id="sid">([^<]+)<', browser.visit("/").text)


def tell(browser: Browser, token: str) -> requests.Response:
    """Do what the OP's server does: a POST without a cookie."""
    return requests.post(browser.base_url + "/backchannel_logout", {"logout_token": token}, timeout=20, allow_redirects=False)


def frame(browser: Browser, **query: str) -> requests.Response:
    """Do what an iframe on the OP's logout page does."""
    return browser.get(browser.base_url + "/frontchannel_logout", params=query, timeout=20, allow_redirects=False)


@pytest.mark.spec("RP-33", "RP-34", "RP-35", "RP-38")
def test_a_logout_token_ends_the_session_without_a_cookie(browser: Browser, op: FakeOp) -> None:
    response = tell(browser, op.logout_token(sid=sid_of(browser)))

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers
    assert not browser.is_signed_in()


def test_the_next_page_says_who_ended_the_session(browser: Browser, op: FakeOp) -> None:
    tell(browser, op.logout_token(sid=sid_of(browser)))

    assert "over the back channel" in browser.visit("/").text


def test_whoever_was_signed_out_can_sign_in_again_and_is_told_nothing_old(browser: Browser, op: FakeOp) -> None:
    tell(browser, op.logout_token(sid=sid_of(browser)))
    sign_in(browser, op, sid="sid-of-the-second-sign-in")
    browser.submit("/local-logout", csrf_token=browser.csrf_token())

    assert "over the back channel" not in browser.visit("/").text


@pytest.mark.spec("RP-33")
def test_with_a_sid_that_session_alone_ends(browser: Browser, op: FakeOp) -> None:
    other = Browser(browser.base_url)
    sign_in(other, op, sid="another-sid")
    tell(browser, op.logout_token(sid=sid_of(browser)))

    assert (browser.is_signed_in(), other.is_signed_in()) == (False, True)


@pytest.mark.spec("RP-33")
def test_without_a_sid_every_session_of_the_user_ends_and_no_other(browser: Browser, op: FakeOp) -> None:
    second, of_bob = Browser(browser.base_url), Browser(browser.base_url)
    sign_in(second, op, sid=None)
    sign_in(of_bob, op, sid="sid-of-bob", sub="bob-sub")

    assert tell(browser, op.logout_token(sid=None, sub="alice-sub")).status_code == 200
    assert [each.is_signed_in() for each in (browser, second, of_bob)] == [False, False, True]


@pytest.mark.spec("RP-33")
def test_with_a_sid_and_no_sub_that_session_ends(browser: Browser, op: FakeOp) -> None:
    assert tell(browser, op.logout_token(sid=sid_of(browser), sub=None)).status_code == 200
    assert not browser.is_signed_in()


@pytest.mark.spec("RP-33")
@pytest.mark.parametrize("claims", [{"sid": "of nobody"}, {"sid": None, "sub": "of nobody"}], ids=["an unknown sid", "an unknown sub"])
def test_nothing_to_end_is_a_success(browser: Browser, op: FakeOp, claims: dict[str, Any]) -> None:
    assert tell(browser, op.logout_token(**claims)).status_code == 200
    assert browser.is_signed_in()


@pytest.mark.spec("RP-30", "RP-34")
def test_a_sid_with_the_sub_of_another_user_is_refused(browser: Browser, op: FakeOp) -> None:
    response = tell(browser, op.logout_token(sid=sid_of(browser), sub="bob-sub"))

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert browser.is_signed_in()


@pytest.mark.spec("RP-30", "RP-34", "RP-35")
def test_a_bad_token_is_answered_400_with_json_and_ends_nothing(browser: Browser, op: FakeOp) -> None:
    response = tell(browser, op.logout_token(sid=sid_of(browser), nonce="n"))

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {"error": "invalid_request", "error_description": "there must be no nonce"}
    assert browser.is_signed_in()


@pytest.mark.spec("RP-30")
def test_a_token_is_good_once(browser: Browser, op: FakeOp) -> None:
    token = op.logout_token(sid=sid_of(browser))

    assert [tell(browser, token).status_code for _ in range(2)] == [200, 400]


@pytest.mark.spec("RP-30")
def test_a_refused_token_does_not_use_up_its_jti(browser: Browser, op: FakeOp) -> None:
    tell(browser, op.logout_token(jti="j-1", events={"x": {}}))

    assert tell(browser, op.logout_token(jti="j-1")).status_code == 200


@pytest.mark.spec("RP-36")
def test_unknown_parameters_and_foreign_cookies_are_ignored(browser: Browser, op: FakeOp) -> None:
    form = {"logout_token": op.logout_token(sid=sid_of(browser)), "more": ["a", "b"], "csrf_token": "x"}
    url = browser.base_url + "/backchannel_logout?tenant=1&logout_token=in-the-url"

    assert requests.post(url, form, headers={"Cookie": "x=y", "Origin": "https://op.example"}, timeout=20).status_code == 200
    assert not browser.is_signed_in()


@pytest.mark.spec("RP-36")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_the_back_channel_takes_post_alone(browser: Browser, op: FakeOp, method: str) -> None:
    url = f"{browser.base_url}/backchannel_logout?logout_token={op.logout_token(sid=sid_of(browser))}"

    assert requests.request(method, url, timeout=20).status_code == 405
    assert browser.is_signed_in()


@pytest.mark.spec("RP-36")
@pytest.mark.parametrize("where", ["nowhere", "in the URL", "twice", "as JSON", "as multipart", "as plain text"])
def test_a_token_that_is_not_once_in_a_form_in_the_body_is_refused(browser: Browser, op: FakeOp, where: str) -> None:
    url, token = browser.base_url + "/backchannel_logout", op.logout_token(sid=sid_of(browser))
    if where == "in the URL":
        response = requests.post(f"{url}?logout_token={token}", headers=FORM, timeout=20)
    elif where == "as JSON":
        response = requests.post(url, json={"logout_token": token}, timeout=20)
    elif where == "as multipart":
        response = requests.post(url, files={"logout_token": (None, token)}, timeout=20)
    elif where == "as plain text":
        response = requests.post(url, token.encode(), headers={"Content-Type": "text/plain"}, timeout=20)
    else:
        response = requests.post(url, {"logout_token": [token, token] if where == "twice" else []}, headers=FORM, timeout=20)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert browser.is_signed_in()


@pytest.mark.parametrize("body", [b"logout_token=%FF%FE", b"logout_token=" + b"a" * 20_000, b"\xff=\xff", b"logout_token=" + b"W" * 9000])
def test_a_body_that_makes_no_sense_is_a_client_error_without_a_traceback(browser: Browser, body: bytes) -> None:
    response = requests.post(browser.base_url + "/backchannel_logout", body, headers=FORM, timeout=20)

    assert 400 <= response.status_code < 500
    assert "Traceback" not in response.text


def test_made_up_key_ids_cost_the_op_one_request(browser: Browser, op: FakeOp) -> None:
    before = op.jwks_requests
    for number in range(5):
        assert tell(browser, op.logout_token(header={"kid": f"made-up-{number}"})).status_code == 400

    assert op.jwks_requests - before <= 1


@pytest.mark.spec("RP-34")
def test_while_the_keys_of_the_op_cannot_be_had_the_answer_is_503(op: FakeOp) -> None:
    with serving_rp("http://localhost:9", "--channel", "backchannel") as base_url:
        response = tell(Browser(base_url), op.logout_token())

    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")


def test_a_sign_in_that_a_logout_has_overtaken_signs_nobody_in(browser: Browser, op: FakeOp) -> None:
    late = Browser(browser.base_url)
    op.claims = {"sid": "overtaken"}
    back = late.answer_of_op(late.visit("/login").headers["Location"])
    tell(browser, op.logout_token(sid="overtaken"))

    response = late.get(back, allow_redirects=False, timeout=20)

    assert (response.status_code, "session_ended" in response.text) == (400, True)
    assert not late.is_signed_in()


@pytest.mark.spec("RP-20", "RP-21", "RP-22")
def test_the_front_channel_ends_the_session_of_this_browser(browser: Browser, op: FakeOp) -> None:
    other = Browser(browser.base_url)
    other.cookies.update(browser.cookies)
    response = frame(browser, iss=op.issuer, sid=sid_of(browser))

    assert response.status_code == 200
    assert "You are signed out here" in response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert "Max-Age=0" in response.headers["Set-Cookie"]
    assert not browser.is_signed_in()
    assert not other.is_signed_in()  # a copied cookie is worth nothing either


@pytest.mark.spec("RP-20")
def test_the_front_channel_is_a_success_when_nobody_is_signed_in(browser: Browser, op: FakeOp) -> None:
    sid = sid_of(browser)
    frame(browser, iss=op.issuer, sid=sid)
    again = frame(browser, iss=op.issuer, sid=sid)

    assert again.status_code == 200
    assert "Nobody was signed in" in again.text


@pytest.mark.spec("RP-20")
def test_where_the_browser_shows_no_cookie_the_front_channel_ends_nothing_and_says_so(browser: Browser, op: FakeOp) -> None:
    response = frame(Browser(browser.base_url), iss=op.issuer, sid=sid_of(browser))

    assert (response.status_code, "as far as this browser shows its cookies" in response.text) == (200, True)
    assert browser.is_signed_in()


@pytest.mark.spec("RP-22")
def test_another_sid_leaves_the_session(browser: Browser, op: FakeOp) -> None:
    assert frame(browser, iss=op.issuer, sid="another").status_code == 200
    assert browser.is_signed_in()


@pytest.mark.spec("RP-22")
@pytest.mark.parametrize("missing", ["iss", "sid", "both", "right iss", "filled sid"])
def test_a_front_channel_request_without_the_right_iss_and_a_sid_is_refused(browser: Browser, op: FakeOp, missing: str) -> None:
    iss, sid = {"iss": op.issuer}, {"sid": sid_of(browser)}
    query = {"iss": sid, "sid": iss, "both": {}, "right iss": sid | {"iss": op.issuer + "/"}, "filled sid": iss | {"sid": ""}}[missing]

    assert frame(browser, **query).status_code == 400
    assert browser.is_signed_in()


def test_a_sid_in_other_letters_leaves_the_session(browser: Browser, op: FakeOp) -> None:
    assert frame(browser, iss=op.issuer, sid="é\U0001f511").status_code == 200
    assert browser.is_signed_in()


def test_a_repeated_sid_is_refused(browser: Browser, op: FakeOp) -> None:
    sid = sid_of(browser)

    assert browser.visit(f"/frontchannel_logout?iss={op.issuer}&sid={sid}&sid={sid}").status_code == 400
    assert browser.is_signed_in()


@pytest.mark.spec("RP-21")
def test_the_front_channel_page_is_framed_by_the_op_alone(browser: Browser, op: FakeOp) -> None:
    headers = frame(browser).headers

    assert f"frame-ancestors {op.issuer}" in headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in headers


def test_behind_tls_the_cookie_reaches_the_iframe_of_an_op_on_another_site(op: FakeOp) -> None:
    with serving_rp(op.issuer, "--channel", "frontchannel", "--base-url", "https://rp.example") as base_url:
        cookie = Browser(base_url).visit("/login").headers["Set-Cookie"]

    assert {"SameSite=None", "Secure", "HttpOnly"} <= set(cookie.split("; "))


@pytest.mark.parametrize("path", ["/backchannel_logout", "/frontchannel_logout", "/session/events", "/session/status"])
def test_an_rp_that_watches_the_iframe_has_no_other_channel(op: FakeOp, path: str, watching_rp: str) -> None:
    assert requests.get(watching_rp + path, timeout=20).status_code == 404
    assert requests.post(watching_rp + path, timeout=20).status_code == 404


@pytest.fixture(scope="module")
def watching_rp(serving_op: FakeOp) -> Iterator[str]:
    """An RP without a logout channel of its own."""
    with serving_rp(serving_op.issuer) as base_url:
        yield base_url


@pytest.mark.parametrize("path", ["/backchannel_logout/more", "/frontchannel_logout/more", "/session/events/more", "/session/status/more"])
def test_there_is_nothing_below_the_endpoints(browser: Browser, path: str) -> None:
    method = "POST" if path.startswith("/back") else "GET"

    assert requests.request(method, browser.base_url + path, timeout=20).status_code == 404


def events_url(browser: Browser) -> str:
    """Where the present page listens."""
    return browser.base_url + found(r'data-events-url="([^"]+)"', browser.visit("/").text)


@pytest.mark.parametrize(("channel", "word"), [("back", "backchannel"), ("front", "frontchannel"), ("none", "here")])
def test_an_open_page_is_told_at_once_that_its_session_has_ended(browser: Browser, op: FakeOp, channel: str, word: str) -> None:
    sid = sid_of(browser)
    csrf_token = browser.csrf_token()
    with browser.get(events_url(browser), stream=True, timeout=20) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        assert next(lines).startswith("retry:")
        if channel == "back":
            tell(browser, op.logout_token(sid=sid))
        elif channel == "front":
            frame(browser, iss=op.issuer, sid=sid)
        else:
            browser.submit("/local-logout", csrf_token=csrf_token)
        told = [line for line in lines if line]

    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.headers["Cache-Control"] == "no-store"
    assert told[:2] == ["event: live", "data:"]
    assert told[-2:] == ["event: ended", f"data: {word}"]


def test_a_page_of_an_earlier_sign_in_is_told_at_once(browser: Browser, op: FakeOp) -> None:
    old = events_url(browser)
    sign_in(browser, op, sid="sid-of-a-later-sign-in")

    assert "event: ended" in browser.get(old, timeout=20).text


def test_somebody_without_the_cookie_learns_nothing_of_a_session(browser: Browser) -> None:
    assert "event: ended\ndata: here" in requests.get(events_url(browser), timeout=20).text


def test_many_open_pages_leave_the_rp_serving(browser: Browser, op: FakeOp) -> None:
    url = events_url(browser)
    streams = [browser.get(url, stream=True, timeout=20) for _ in range(30)]
    begun = [stream for stream in streams if next(stream.iter_lines()) == b"retry: 2000"]

    assert browser.is_signed_in()
    assert len(begun) == 24
    assert [stream.status_code for stream in streams if stream not in begun] == [503] * 6
    tell(browser, op.logout_token(sid=sid_of(browser)))
    for stream in streams:
        stream.close()


def test_the_rp_ends_promptly_while_pages_listen(op: FakeOp) -> None:
    with serving_rp(op.issuer, "--channel", "backchannel") as base_url:
        browser = Browser(base_url)
        sign_in(browser, op, sid="listening")
        stream = browser.get(events_url(browser), stream=True, timeout=20)
        next(stream.iter_lines())

    stream.close()  # serving_rp has raised if the process had not ended in time

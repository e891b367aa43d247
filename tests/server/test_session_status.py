"""The bundled server tells the status of sessions, and tells the browser of login and logout, where its settings say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oic_session_ext.crypto import jose
from tests.bundled_op import OUT_URIS, REDIRECT_URIS, Op

ORIGIN = "https://web.example.com"
TOP = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}


def test_a_clients_server_asks_by_sid(make_op: Callable[..., Op]) -> None:
    browser = make_op(session_management={"status": True}).browser()
    hint = browser.sign_in()["id_token"]
    asked = {"sid": jose.read_unverified(hint).claims["sid"]}
    before = browser.as_client("web", "/session_status", asked)
    of_another = browser.as_client("asking", "/session_status", asked)

    browser.end_session(id_token_hint=hint)
    after = browser.as_client("web", "/session_status", asked)

    assert (before.status, before.json) == (200, {"status": "live"})
    assert (of_another.status, of_another.json) == (200, {"status": "unknown"})
    assert (after.status, after.json) == (200, {"status": "ended", "reason": "rp_initiated"})


def test_a_public_client_and_a_stranger_hear_nothing(make_op: Callable[..., Op]) -> None:
    browser = make_op(session_management={"status": True}).browser()

    for client_id in ("spa", "stranger"):
        answer = browser.as_client(client_id, "/session_status", {"client_id": client_id, "sid": "x"})
        assert (answer.status, answer.error) == (401, "invalid_client")


def test_a_blind_iframe_asks_by_session_state(make_op: Callable[..., Op]) -> None:
    op = make_op(session_management={"status": True, "status_per_minute": 2})
    browser = op.browser()
    hint = browser.sign_in()["id_token"]
    asked = {"client_id": "web", "session_state": browser.renew().query["session_state"], "origin": ORIGIN}
    before = browser.post("/check_session_status", asked)

    browser.end_session(id_token_hint=hint)
    op.clock.advance(5)
    after = browser.post("/check_session_status", asked)
    too_often = browser.post("/check_session_status", asked)

    assert (before.json, after.json) == ({"status": "unchanged"}, {"status": "changed"})
    assert (too_often.status, too_often.error) == (429, "temporarily_unavailable")


def test_an_rps_own_page_cannot_ask_in_its_place(make_op: Callable[..., Op]) -> None:
    browser = make_op(session_management={"status": True}).browser()
    browser.sign_in()
    asked = {"client_id": "web", "session_state": browser.renew().query["session_state"], "origin": ORIGIN}

    answer = browser.post("/check_session_status", asked, {"Origin": ORIGIN})

    assert answer.status == 403
    assert answer.header("Access-Control-Allow-Origin") is None


@pytest.mark.spec("MD-04")
@pytest.mark.parametrize("path", ["/session_status", "/check_session_status"])
def test_by_default_nobody_is_told(op: Op, path: str) -> None:
    browser = op.browser()

    assert browser.post(path, {"sid": "x"}).status == 404
    assert path.strip("/") not in browser.get("/.well-known/openid-configuration").text


def test_the_browser_is_told_of_login_and_logout(make_op: Callable[..., Op]) -> None:
    op = make_op(session={"login_status": True}, logout={"clear_site_data": True})
    browser, other = op.browser(), op.browser()
    other.sign_in()
    signed_in = browser.enter(browser.login_page(), headers=TOP)
    code = browser.follow(signed_in).query["code"]
    hint = browser.redeem(code).json["id_token"]

    signed_out = browser.get("/end_session", TOP, id_token_hint=hint, post_logout_redirect_uri=OUT_URIS["web"], client_id="web")

    assert signed_in.location.startswith(REDIRECT_URIS["web"])
    assert (signed_in.header("Set-Login"), signed_in.header("Clear-Site-Data")) == ("logged-in", None)
    assert signed_out.location == OUT_URIS["web"]
    assert (signed_out.header("Set-Login"), signed_out.header("Clear-Site-Data")) == ("logged-out", '"cache", "storage"')
    assert other.is_signed_in()


def test_by_default_the_browser_is_told_nothing(op: Op) -> None:
    browser = op.browser()
    signed_in = browser.enter(browser.login_page(), headers=TOP)

    assert signed_in.status == 303
    assert signed_in.header("Set-Login") is None

"""What follows the end of a session at the seam: RPs told, a page or the redirect, what a second request gets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.events import FrontchannelAsked, Hooks, SessionEnded
from oic_session_ext.logout.report import RpStatus
from oic_session_ext.model import NotifyStatus
from oic_session_ext.store.changes import DeleteNotice, EndOpSession, PutEphemeral
from tests.provider.conftest import ISSUER, PAGES, Answer, Browser, MakeOp, Op, make_clients

OUT = "https://basic.example.com/out"
FRONT = {
    "post": "https://post.example.com/fc?a=1&a=2&b=&c=%2F+",
    "public": "https://spa.example.com:8443/fc",
}


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest.fixture
def op(make_op: MakeOp, events: list[Any]) -> Op:
    """An OP whose clients have: `basic` a back channel, `post` and `public` a front channel, `keyed` none."""
    clients = make_clients()
    for client_id, uri in FRONT.items():
        clients[client_id]["frontchannel_logout_uri"] = uri
    clients["public"]["redirect_uris"].append(("https://spa.example.com:8443/cb", None))
    return make_op(clients=clients, hooks=Hooks(events.append))


class HintedBrowser(Browser):
    """A browser with the `id_token_hint` of its session."""

    hint: str


def signed_in(op: Op, *client_ids: str) -> HintedBrowser:
    browser = HintedBrowser(op)
    browser.hint = browser.sign_in("basic")["id_token"]
    for client_id in client_ids:
        assert "code" in browser.authorize(client_id).in_query
    return browser


def log_out(browser: HintedBrowser, **params: str) -> Answer:
    return browser.end_session(id_token_hint=browser.hint, **params)


def log_out_and_return(browser: HintedBrowser) -> Answer:
    return log_out(browser, post_logout_redirect_uri=OUT, state="s")


def frames(answer: Answer) -> list[str]:
    return [unescape(src) for src in re.findall(r'<iframe src="([^"]*)"', answer.body)]


def says(answer: Answer, status: RpStatus) -> bool:
    return str(PAGES.text(f"logged_out.rp.{status.value}")) in unescape(answer.body)


def seconds_of_refresh(answer: Answer) -> int | None:
    found = re.search(r'http-equiv="refresh" content="(\d+);url=', answer.body)
    return int(found[1]) if found else None


# -- the back channel --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("BC-37", "BC-39", "RI-41")
def test_rps_are_told_once_the_end_is_durable_and_within_the_deadline(op: Op, events: list[Any]) -> None:
    browser = signed_in(op)
    seen = []
    op.ext.delivery.running.before = lambda: seen.append((op.store.op_sessions_of_user("alice"), [type(event) for event in events[-1:]]))

    log_out(browser)

    ((notices, deadline_s),) = op.ext.delivery.running.calls
    assert [notice.client_id for notice in notices] == ["basic"]
    assert deadline_s == op.ext.settings.logout_deadline_s == 2
    assert seen == [([], [SessionEnded])]
    assert op.store.notices(10)[0].due_at == op.clock() + op.ext.settings.delivery.lease_s


@pytest.mark.spec("RI-41")
def test_when_every_rp_is_told_the_browser_goes_on_at_once(op: Op) -> None:
    answer = log_out_and_return(signed_in(op))

    assert (answer.status, answer.location) == (303, f"{OUT}?state=s")
    assert len(op.ext.delivery.running.calls) == 1
    assert "__Host-op_session" in answer.cookies


def test_an_rp_without_a_logout_uri_holds_nobody_up(op: Op) -> None:
    assert log_out_and_return(signed_in(op, "keyed")).location == f"{OUT}?state=s"


@pytest.mark.spec("BC-36", "BC-37", "RI-41", "WR-15")
@pytest.mark.parametrize(("told", "status"), [(NotifyStatus.PENDING, RpStatus.PENDING), (NotifyStatus.UNDELIVERABLE, RpStatus.UNREACHABLE)])
def test_an_rp_that_was_not_told_is_named_before_the_browser_goes_on(op: Op, told: NotifyStatus, status: RpStatus) -> None:
    browser = signed_in(op)
    op.ext.delivery.running.outcomes["basic"] = told

    answer = log_out_and_return(browser)

    assert (answer.status, answer.header("Location")) == (200, None)
    assert says(answer, status)
    assert (seconds_of_refresh(answer) or 0) == op.ext.settings.reading_time_s == 3
    assert f'href="{OUT}?state=s"' in answer.body
    assert "__Host-op_session" in answer.cookies
    assert not browser.is_signed_in()


@pytest.mark.spec("BC-36", "PY-09")
def test_a_delivery_that_fails_leaves_the_notices_to_a_worker_and_the_user_signed_out(op: Op) -> None:
    browser = signed_in(op)

    def fail() -> None:
        raise StoreUnavailable("down")

    op.ext.delivery.running.before = fail

    answer = log_out(browser)

    assert answer.status == 200
    assert says(answer, RpStatus.PENDING)
    assert not browser.is_signed_in()
    assert len(op.store.notices(10)) == 1


def test_an_op_that_leaves_it_to_a_worker_says_so_and_takes_no_lease(op: Op) -> None:
    browser = signed_in(op)
    op.ext.delivery.running = None

    answer = log_out(browser)

    assert says(answer, RpStatus.PENDING)
    assert op.store.notices(10)[0].due_at == op.clock()


def test_what_the_store_did_not_keep_tells_nobody(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in(op)

    def unavailable(changes: list[EndOpSession | PutEphemeral]) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(op.store, "commit", unavailable)

    assert log_out(browser).status == 503
    assert op.ext.delivery.running.calls == []


@pytest.mark.spec("FC-14")
def test_without_a_redirect_each_rp_has_a_line(op: Op) -> None:
    answer = log_out(signed_in(op, "post", "keyed"))

    assert answer.body.count("<li>") == 3
    assert all(says(answer, status) for status in (RpStatus.SIGNED_OUT, RpStatus.ASKED, RpStatus.NOT_TOLD))
    assert seconds_of_refresh(answer) is None


# -- the front channel -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("FC-01", "FC-02", "FC-03", "FC-04", "FC-05", "FC-06", "FC-08", "FC-09", "FC-10", "SID-07", "WR-16")
def test_each_rp_of_this_session_has_a_frame_with_its_own_sid(op: Op) -> None:
    browser = op.browser()
    sids = {client_id: op.claims(browser.sign_in(client_id)["id_token"])["sid"] for client_id in FRONT}
    op.browser().sign_in("post", login="bob")

    answer = browser.confirm(browser.end_session())

    iss = quote(ISSUER, safe="")
    assert frames(answer) == [
        f"{FRONT['post']}&iss={iss}&sid={sids['post']}",
        f"{FRONT['public']}?iss={iss}&sid={sids['public']}",
    ]


@pytest.mark.spec("FC-12", "FC-17", "SEC-01", "WR-17")
def test_the_page_may_frame_those_origins_alone_and_be_framed_by_nobody(op: Op) -> None:
    answer = log_out(signed_in(op, *FRONT))

    policy = (answer.header("Content-Security-Policy") or "").split("; ")
    assert "frame-src https://post.example.com https://spa.example.com:8443" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.spec("FC-13", "RI-41")
def test_frames_come_before_the_redirect_and_have_a_limit(op: Op) -> None:
    answer = log_out_and_return(signed_in(op, "post"))

    assert (answer.status, answer.header("Location")) == (200, None)
    assert seconds_of_refresh(answer) == 4
    assert 'data-wait-ms="4000" data-read-ms="0"' in answer.body
    assert f'href="{OUT}?state=s"' in answer.body


@pytest.mark.spec("FC-14")
def test_a_client_with_both_channels_is_told_by_both_and_has_one_line(op: Op) -> None:
    op.clients["basic"]["frontchannel_logout_uri"] = "https://basic.example.com/fc"

    answer = log_out(signed_in(op))

    assert len(frames(answer)) == len(op.ext.delivery.running.calls) == 1
    assert answer.body.count("<li>") == 1
    assert says(answer, RpStatus.SIGNED_OUT_AND_ASKED)


def test_a_client_deregistered_meanwhile_is_named_and_not_framed(op: Op) -> None:
    browser = signed_in(op, *FRONT)
    del op.clients["post"]

    answer = log_out(browser)

    assert len(frames(answer)) == 1
    assert answer.body.count("<li>") == 3
    assert says(answer, RpStatus.NOT_TOLD)


@pytest.mark.spec("FC-09", "SEC-11")
def test_a_uri_that_must_not_be_framed_is_not(op: Op) -> None:
    op.clients["post"]["frontchannel_logout_uri"] = "javascript:alert(1)"

    answer = log_out(signed_in(op, "post"))

    assert frames(answer) == []
    assert "javascript:" not in answer.body
    assert says(answer, RpStatus.UNREACHABLE)


@pytest.mark.spec("SEC-11")
def test_what_a_client_calls_itself_stays_text(op: Op) -> None:
    op.clients["post"]["client_name"] = '"><script>alert(1)</script>'

    assert "<script>alert" not in log_out(signed_in(op, "post")).body


def test_the_frames_are_announced_once_they_are_on_a_page(op: Op, events: list[Any]) -> None:
    browser = signed_in(op, *FRONT)
    session = op.store.op_sessions_of_user("alice")[0]

    log_out(browser)

    (asked,) = [event for event in events if isinstance(event, FrontchannelAsked)]
    assert (asked.session.id, asked.client_ids) == (session.id, ("post", "public"))


def test_a_logout_without_frames_announces_none(op: Op, events: list[Any]) -> None:
    log_out(signed_in(op))

    assert not [event for event in events if isinstance(event, FrontchannelAsked)]


# -- a page that did not arrive, a button pressed twice ----------------------------------------------------------------------


def question(browser: Browser) -> Answer:
    """The question that ends, after a yes, in a redirect: the hint is another browser's."""
    other = browser.op.browser().sign_in()["id_token"]
    return browser.end_session(id_token_hint=other, post_logout_redirect_uri=OUT, state="s")


@pytest.mark.spec("FC-02", "RI-41")
@pytest.mark.parametrize("how", ["by a hint", "by an answer"])
def test_whose_page_did_not_arrive_gets_its_frames_by_the_same_request(op: Op, how: str) -> None:
    browser = signed_in(op, *FRONT)
    page = question(browser)
    kept = dict(browser.jar)

    def request() -> Answer:
        browser.jar = dict(kept)
        return log_out_and_return(browser) if how == "by a hint" else browser.confirm(page)

    first, second, third = request(), request(), request()

    assert len(frames(first)) == 2
    assert frames(first) == frames(second) == frames(third)
    assert all(f'href="{OUT}?state=s"' in answer.body for answer in (first, second, third))
    assert len(op.ext.delivery.running.calls) == 1
    assert "Max-Age=0" in second.cookies["__Host-op_session"]


def test_an_answer_sent_twice_goes_back_to_the_rp_without_frames_too(op: Op) -> None:
    browser = signed_in(op)
    page, kept = question(browser), dict(browser.jar)
    browser.confirm(page)
    browser.jar = kept
    for notice in op.store.notices(10):
        op.ext.store.commit([DeleteNotice(notice.id)])

    assert browser.confirm(page).location == f"{OUT}?state=s"


def test_what_is_said_the_second_time_is_what_the_store_knows_by_then(op: Op) -> None:
    browser = signed_in(op, "post")
    kept = dict(browser.jar)
    op.ext.delivery.running.outcomes["basic"] = NotifyStatus.PENDING
    log_out(browser)
    browser.jar = dict(kept)
    assert says(log_out(browser), RpStatus.PENDING)

    op.store.commit([DeleteNotice(op.store.notices(1)[0].id)])

    browser.jar = dict(kept)
    assert says(log_out(browser), RpStatus.SIGNED_OUT)


def test_a_uri_taken_back_meanwhile_is_not_led_to_the_second_time(op: Op) -> None:
    browser = signed_in(op, "post")
    page, kept = question(browser), dict(browser.jar)
    browser.confirm(page)
    browser.jar = kept
    op.clients["basic"]["post_logout_redirect_uris"] = []

    assert OUT not in browser.confirm(page).body


def test_a_page_is_kept_for_two_minutes_for_its_own_browser(op: Op) -> None:
    browser = signed_in(op, "post")
    kept = dict(browser.jar)
    log_out(browser)

    assert frames(op.browser().end_session()) == frames(log_out(browser)) == []
    op.clock.advance(121)
    browser.jar = kept
    assert frames(log_out(browser)) == []


def test_without_frames_or_a_redirect_nothing_is_kept(op: Op) -> None:
    browser = signed_in(op, "keyed")
    kept = dict(browser.jar)
    log_out_and_return(browser)
    browser.jar = kept

    assert "<li>" not in browser.end_session().body


@pytest.mark.spec("RI-05")
def test_an_answer_sent_again_from_a_browser_without_a_session_ends_on_the_page(op: Op) -> None:
    browser = signed_in(op)
    page = browser.end_session()
    browser.confirm(page)

    again = browser.confirm(page)
    shown = browser.end_session_raw("")

    assert (again.status, again.location) == (303, "/end_session")
    assert shown.status == 200
    assert PAGES.text("logged_out.title") in shown.body


@pytest.mark.spec("SEC-02")
def test_an_answer_that_comes_without_its_cookie_takes_no_cookie_away(op: Op) -> None:
    browser = signed_in(op)
    page = browser.end_session()

    crossing = op.browser().end_session("POST", **page.form.fields, logout="yes")

    assert (crossing.status, crossing.location) == (303, "/end_session")
    assert "__Host-op_session" not in crossing.cookies
    assert browser.is_signed_in()


# -- with RPs that listen ----------------------------------------------------------------------------------------------------


class RpServer(ThreadingHTTPServer):
    """The server of RPs: the bodies that it was sent, and whether the test is over."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), BackChannel)
        self.bodies: list[bytes] = []
        self.is_over = threading.Event()


class BackChannel(BaseHTTPRequestHandler):
    """An RP's back channel: `/bc` answers 200, `/hangs` only when the test is over."""

    server: RpServer

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/hangs":
            self.server.is_over.wait(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: str) -> None:
        pass


@pytest.fixture
def rp_server() -> Iterator[RpServer]:
    server = RpServer()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.is_over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.spec("BC-30", "BC-37", "RI-40", "RI-41", "P3")
def test_the_page_waits_for_the_deadline_and_no_longer_for_an_rp_that_hangs(make_op: MakeOp, rp_server: RpServer) -> None:
    clients = make_clients()
    address = f"http://127.0.0.1:{rp_server.server_port}"
    clients["basic"]["backchannel_logout_uri"] = f"{address}/bc"
    clients["post"]["backchannel_logout_uri"] = f"{address}/hangs"
    op = make_op(clients=clients, logout_deadline_s=1.5, delivery={"allow_networks": ["127.0.0.0/8"], "timeout_s": 20, "lease_s": 30})
    browser = signed_in(op, "post")
    op.ext.delivery.start()
    try:
        began = time.monotonic()

        answer = log_out_and_return(browser)

        took_s = time.monotonic() - began
    finally:
        rp_server.is_over.set()
        op.ext.delivery.stop()
    assert 1.4 < took_s < 15  # the deadline, on however busy a machine; the RP hangs for longer
    assert (answer.status, answer.body.count("<li>")) == (200, 2)
    assert says(answer, RpStatus.SIGNED_OUT)
    assert says(answer, RpStatus.PENDING)
    assert len(rp_server.bodies) == 2
    assert all(body.startswith(b"logout_token=ey") for body in rp_server.bodies)


@pytest.mark.spec("BC-39", "RI-41")
def test_when_the_rps_answer_the_browser_goes_on_at_once(make_op: MakeOp, rp_server: RpServer) -> None:
    clients = make_clients()
    clients["basic"]["backchannel_logout_uri"] = f"http://127.0.0.1:{rp_server.server_port}/bc"
    op = make_op(clients=clients, logout_deadline_s=30, delivery={"allow_networks": ["127.0.0.0/8"]})
    browser = signed_in(op)
    op.ext.delivery.start()
    try:
        answer = log_out_and_return(browser)
    finally:
        op.ext.delivery.stop()

    assert answer.location == f"{OUT}?state=s"
    assert len(rp_server.bodies) == 1
    assert op.store.notices(10) == []


def test_the_middleware_has_rps_told_from_its_first_request_on(make_op: MakeOp) -> None:
    provider = make_op().provider
    provider.session_management.delivery.running = None
    application = provider.session_middleware(lambda _, start: start("200 OK", []) or [])
    try:
        application({"PATH_INFO": "/elsewhere"}, lambda *_: None)
        first = provider.session_management.delivery.running
        application({"PATH_INFO": "/elsewhere"}, lambda *_: None)
        second = provider.session_management.delivery.running
    finally:
        provider.session_management.delivery.stop()

    assert first is not None
    assert second is first


def test_the_middleware_leaves_telling_to_others_where_it_is_asked_to(make_op: MakeOp) -> None:
    provider = make_op().provider
    provider.session_management.delivery.running = None

    provider.session_middleware(lambda _, start: start("200 OK", []) or [], deliver=False)({"PATH_INFO": "/elsewhere"}, lambda *_: None)

    assert provider.session_management.delivery.running is None

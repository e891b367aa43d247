"""The end of a logout in real Chromium: RPs' front-channel pages side by side, then the way back, with and without script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cheroot.wsgi import Server as WsgiServer
from playwright.sync_api import BrowserContext, Page, expect

from oic_session_ext.model import NotifyStatus
from oic_session_ext.sessions.op_session import begin_op_session, join_rp
from oic_session_ext.store.unit_of_work import UnitOfWork
from tests.bundled_op import Op, make_settings

LONG_WAIT_S = 30
"""Longer than any test waits: a page that leaves before has not waited for its limit."""


class RpServer:
    """All RPs of a test, each under a path of its own; `asked` holds the query of each front-channel request by path.

    `/together` answers when it was asked for twice, so only to frames that load side by side; `/hangs` never does.
    """

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, list[str]]] = {}
        self.together = threading.Barrier(2)
        self.closing = threading.Event()
        handler = type("Handler", (_RpHandler,), {"rp": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.http.server_port}"

    def client(self, client_id: str, front: str | None = None, **metadata: Any) -> dict[str, Any]:
        front_channel = {"frontchannel_logout_uri": f"{self.origin}{front}"} if front else {}
        return {
            "client_id": client_id,
            "client_name": f"<{client_id}>",
            "client_secret": "secret",
            "redirect_uris": [f"{self.origin}/cb"],
            "post_logout_redirect_uris": [f"{self.origin}/out"],
            **front_channel,
            **metadata,
        }


class _RpHandler(BaseHTTPRequestHandler):
    rp: RpServer

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        self.rp.asked[target.path] = parse_qs(target.query, keep_blank_values=True)
        if target.path == "/together":
            self.rp.together.wait(20)
        elif target.path == "/hangs":
            self.rp.closing.wait()
            return
        body = b"<!doctype html><link rel=icon href=data:,><script>try { top.escaped = true } catch {}</script><h1>At the RP</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class FakeDelivery:
    """Reports of every notice what the test wants."""

    outcome = NotifyStatus.DELIVERED

    def notify(self, notices: Any, _: float) -> dict[str, NotifyStatus]:
        return {notice.id: self.outcome for notice in notices}


class RunningOp:
    """The bundled OP on a free port, in this process."""

    def __init__(self, rps: RpServer) -> None:
        self.http = WsgiServer(("127.0.0.1", 0), None, numthreads=4)
        self.http.prepare()
        port = self.http.bind_addr[1]
        back = {"backchannel_logout_uri": f"{rps.origin}/bc"}
        clients = [
            rps.client("home"),
            rps.client("left", "/together?a=1&a=2&b=&c=%2F+"),
            rps.client("right", "/together"),
            rps.client("quick", "/quick?x=1"),
            rps.client("hangs", "/hangs"),
            rps.client("back", **back),
        ]
        logout = {"redirect_without_hint": True, "frontchannel_wait": LONG_WAIT_S, "backchannel": {"allow_networks": ["127.0.0.0/8"]}}
        self.issuer = f"http://localhost:{port}"
        self.op = Op.build(make_settings(issuer=self.issuer, clients=clients, logout=logout))
        self.http.wsgi_app = self.op.server.application
        self.delivery = FakeDelivery()
        self.op.server.op.session_management.delivery.running = self.delivery  # type: ignore[assignment]  # the one method that the endpoint calls
        threading.Thread(target=self.http.serve, daemon=True).start()

    def wait_at_most(self, seconds: int) -> None:
        """Set the limit for frames."""
        provider = self.op.server.op
        provider.session_management.settings = provider.session_management.settings.model_copy(update={"frontchannel_wait_s": seconds})

    def sign_in(self, browser: BrowserContext, *client_ids: str) -> dict[str, str]:
        """Sign alice in at clients, by her cookie; return each client's `sid`."""
        provider, store = self.op.server.op, self.op.server.store
        settings = provider.session_management.settings
        uow = UnitOfWork(store, self.op.clock())
        session, secret = begin_op_session(uow, uid="alice", acr="pwd", auth_time=uow.now, present=None, settings=settings, clients={})
        sids = {client_id: join_rp(uow, session, client_id, "alice", settings).sid for client_id in client_ids}
        uow.commit()
        browser.add_cookies([{"name": provider.session_management.cookie_policy.session_cookie_name, "value": secret, "url": self.issuer}])
        return sids

    def log_out(self, page: Page, rps: RpServer, *, and_return: bool = True) -> None:
        """Answer the question with yes; the client `home` wants the browser back."""
        wanted = f"?client_id=home&post_logout_redirect_uri={rps.origin}/out&state=s" if and_return else ""
        page.goto(f"{self.issuer}/end_session{wanted}")
        page.locator("button[name=logout]").click(no_wait_after=True)


@pytest.fixture(scope="module")
def rp_server() -> Iterator[RpServer]:
    """The RPs' server."""
    server = RpServer()
    threading.Thread(target=server.http.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.closing.set()
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(scope="module")
def running_op(rp_server: RpServer) -> Iterator[RunningOp]:
    """The OP."""
    running = RunningOp(rp_server)
    yield running
    running.http.stop()


@pytest.fixture(scope="module")
def shared_browser(module_chromium_context: Callable[[], BrowserContext]) -> BrowserContext:
    """One browser for the module."""
    return module_chromium_context()


@pytest.fixture
def rps(rp_server: RpServer) -> RpServer:
    """The RPs, not asked yet."""
    rp_server.asked.clear()
    rp_server.together.reset()
    return rp_server


@pytest.fixture
def op(running_op: RunningOp) -> RunningOp:
    """The OP as it is set."""
    running_op.wait_at_most(LONG_WAIT_S)
    running_op.delivery.outcome = NotifyStatus.DELIVERED
    return running_op


@pytest.fixture
def page(shared_browser: BrowserContext) -> Iterator[Page]:
    """A tab of a browser with nobody signed in; its console must stay without complaints."""
    shared_browser.clear_cookies()
    page = shared_browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None)
    yield page
    page.close()
    assert complaints == []


def expect_back_at_the_rp(page: Page, rps: RpServer) -> None:
    """The browser is at the RP's page for signed-out users, with its state."""
    expect(page).to_have_url(f"{rps.origin}/out?state=s")
    expect(page.locator("h1")).to_have_text("At the RP")


@pytest.mark.spec("FC-02", "FC-03", "FC-06", "FC-08", "FC-11", "FC-13", "RI-41", "WR-17")
def test_frames_load_side_by_side_with_their_parameters_and_then_the_browser_goes_back(op: RunningOp, rps: RpServer, page: Page) -> None:
    sids = op.sign_in(page.context, "home", "left", "right", "quick")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).query) if "/together" in request.url else None)

    op.log_out(page, rps)

    expect_back_at_the_rp(page, rps)
    iss = op.issuer.replace(":", "%3A").replace("/", "%2F")
    assert sorted(asked) == sorted([f"a=1&a=2&b=&c=%2F+&iss={iss}&sid={sids['left']}", f"iss={iss}&sid={sids['right']}"])
    assert rps.asked["/quick"] == {"x": ["1"], "iss": [op.issuer], "sid": [sids["quick"]]}


@pytest.mark.spec("FC-13")
def test_an_rp_that_never_answers_does_not_trap_the_user(op: RunningOp, rps: RpServer, page: Page) -> None:
    op.wait_at_most(1)
    op.sign_in(page.context, "home", "hangs", "quick")

    op.log_out(page, rps)

    expect_back_at_the_rp(page, rps)
    assert {"/hangs", "/quick"} <= set(rps.asked)


@pytest.mark.spec("FC-13")
def test_the_link_goes_on_at_once(op: RunningOp, rps: RpServer, page: Page) -> None:
    op.sign_in(page.context, "home", "hangs")
    op.log_out(page, rps)

    page.get_by_role("link", name="Continue to <home>").click()

    expect_back_at_the_rp(page, rps)


@pytest.mark.spec("BC-36", "RI-41")
def test_who_wants_to_read_which_rp_was_not_reached_may_stay(op: RunningOp, rps: RpServer, page: Page) -> None:
    op.delivery.outcome = NotifyStatus.UNDELIVERABLE
    op.sign_in(page.context, "home", "back")
    op.log_out(page, rps)

    page.get_by_role("button", name="Stay on this page").click()

    expect(page.get_by_role("status")).to_have_text("This page stays open.")
    expect(page.get_by_role("link", name="Continue to <home>")).to_be_focused()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("listitem").filter(has_text="<back>")).to_contain_text("Could not be reached")


@pytest.mark.spec("RI-49", "FC-11")
def test_without_a_way_back_the_page_stays_and_says_when_it_is_done(op: RunningOp, rps: RpServer, page: Page) -> None:
    op.sign_in(page.context, "left", "right", "back")

    op.log_out(page, rps, and_return=False)

    expect(page.get_by_role("status")).to_have_text("You can close this window.")
    expect(page.get_by_role("listitem")).to_have_count(3)
    expect(page.get_by_role("listitem").filter(has_text="<back>")).to_contain_text("Signed out")
    assert page.evaluate("window.escaped") is None
    assert page.evaluate("[document.body.scrollWidth <= innerWidth, document.querySelector('iframe').offsetWidth]") == [True, 0]


@pytest.mark.spec("FC-13")
def test_without_script_a_refresh_leads_back(op: RunningOp, rps: RpServer, page: Page) -> None:
    op.wait_at_most(1)
    page.context.new_cdp_session(page).send("Emulation.setScriptExecutionDisabled", {"value": True})
    op.sign_in(page.context, "home", "left", "right")

    op.log_out(page, rps)

    expect_back_at_the_rp(page, rps)
    assert "/together" in rps.asked


@pytest.mark.spec("FC-13")
def test_without_script_the_link_leads_past_an_rp_that_never_answers(op: RunningOp, rps: RpServer, page: Page) -> None:
    page.context.new_cdp_session(page).send("Emulation.setScriptExecutionDisabled", {"value": True})
    op.sign_in(page.context, "home", "hangs")
    op.log_out(page, rps)

    page.get_by_role("link", name="Continue to <home>").click()

    expect_back_at_the_rp(page, rps)


@pytest.mark.spec("RI-05")
def test_a_reload_says_that_nobody_is_signed_in(op: RunningOp, rps: RpServer, page: Page) -> None:
    op.sign_in(page.context, "back")
    op.log_out(page, rps, and_return=False)
    expect(page.get_by_role("listitem")).to_have_count(1)

    page.reload()

    expect(page.locator("h1")).to_have_text("You are signed out")
    assert page.url == f"{op.issuer}/end_session"

"""The OP iframe in Chromium, framed by RPs of the same and of another site, with the cookies as the OP sets them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Frame, Page

from oic_session_ext.session_management.session_state import issue_session_state
from tests.browser.conftest import ChromiumContexts
from tests.browser.iframe_server import IframeServer, serving

# Puts the OP iframe into an RP's page and returns when its script has run.
EMBED = """
(src) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.src = src;
  frame.onload = resolve;
  document.body.append(frame);
})
"""

# Posts messages to the n-th frame of the top page and returns what came back until the echo of the last, which every page below can make.
ASK = """
([messages, origin]) => new Promise((resolve) => {
  const answers = [];
  addEventListener("message", function listen({ data }) {
    if (data !== "echo") return answers.push(data);
    removeEventListener("message", listen);
    resolve(answers);
  });
  for (const message of [...messages, "echo"]) (window.opened || top.frames[0]).postMessage(message, origin);
})
"""

# Posts messages to the OP iframe and returns the answers once all are there.
ASK_PATIENTLY = """
([messages, origin]) => new Promise((resolve) => {
  const answers = [];
  addEventListener("message", ({ data }) => answers.push(data) === messages.length && resolve(answers));
  for (const message of messages) frames[0].postMessage(message, origin);
})
"""

# Posts messages to the OP iframe; returns what has been answered when an echo, asked for at the first answer, is back.
ASK_ALL_HEAR_FIRST = """
([messages, origin]) => new Promise((resolve) => {
  const answers = [];
  addEventListener("message", ({ data }) => {
    if (data === "echo") return resolve(answers);
    if (answers.push(data) === 1) frames[0].postMessage("echo", origin);
  });
  for (const message of messages) frames[0].postMessage(message, origin);
})
"""

# Messages between two windows keep their order, so what was not answered before the echo is not answered; once the page knows what it
# may see. Where it asks the OP the answer comes later.
ECHO = """
async () => {
  const settled = async () => {
    await document.hasStorageAccess();
    await navigator.permissions.query({ name: "storage-access" });
    await document.hasStorageAccess();
  };
  await settled();
  addEventListener("message", async ({ data, source }) => {
    if (data !== "echo") return;
    await settled();
    source.postMessage("echo", "*");
  });
}
"""


@pytest.fixture(scope="module")
def op() -> Iterator[IframeServer]:
    """An OP with the cookies of a loopback issuer."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def secure_op() -> Iterator[IframeServer]:
    """An OP with the cookies of an https issuer."""
    with serving(secure_cookies=True) as server:
        yield server


@pytest.fixture(scope="module")
def telling_op() -> Iterator[IframeServer]:
    """An OP with the cookies of an https issuer that tells the status without them."""
    with serving(secure_cookies=True, tells_status=True) as server:
        yield server


@pytest.fixture(scope="module")
def rp() -> Iterator[IframeServer]:
    """An RP; as `localhost` it is of the OP's site, as `127.0.0.1` of another."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def shared_browser(module_chromium_context: ChromiumContexts) -> BrowserContext:
    """A browser that allows third-party cookies."""
    return module_chromium_context("allowed")


@pytest.fixture
def browser(shared_browser: BrowserContext) -> Iterator[BrowserContext]:
    """The same without any cookies."""
    yield shared_browser

    shared_browser.clear_cookies()
    for page in shared_browser.pages[1:]:
        page.close()


@pytest.fixture(scope="module")
def blocking_browser(module_chromium_context: ChromiumContexts) -> BrowserContext:
    """A browser that blocks third-party cookies, shared by tests that are at OPs or RPs of their own."""
    return module_chromium_context("blocked")


@contextmanager
def granted_storage_access(browser: BrowserContext, rp_origin: str, op_origin: str) -> Iterator[None]:
    """Let the OP see its cookies below the RP's pages, as a user does who answers the browser's prompt with yes."""
    page = browser.new_page()
    permission = {"permission": {"name": "storage-access"}, "setting": "granted", "origin": rp_origin, "embeddedOrigin": op_origin}
    browser.new_cdp_session(page).send("Browser.setPermission", permission)
    yield
    page.close()  # the grant goes with it


def give_state(browser: BrowserContext, op: IframeServer, op_browser_state: str) -> None:
    """Visit the OP, which sets the cookie."""
    op.op_browser_state = op_browser_state
    page = browser.new_page()
    page.goto(op.origin() + "/")
    page.close()


def open_rp(browser: BrowserContext, rp: IframeServer, op: IframeServer, *, host: str = "localhost", path: str = "/rp") -> Page:
    """Open an RP's page with the OP iframe in it."""
    page = browser.new_page()
    page.goto(rp.origin(host) + path)
    page.evaluate(EMBED, op.origin() + "/check_session")
    page.frames[1].evaluate(ECHO)
    return page


def ask(asker: Page | Frame, op: IframeServer, *messages: object) -> list[str]:
    """Everything that the OP iframe answers to the messages."""
    answers: list[str] = asker.evaluate(ASK, [list(messages), op.origin()])
    # The echo is no question that the script understands, so it too is answered.
    if answers:
        answers.remove("error")
    return answers


def question(rp: IframeServer, state: str, *, host: str = "localhost", client_id: str = "rp") -> str:
    return f"{client_id} {issue_session_state(client_id, rp.origin(host) + '/cb', state)}"


@pytest.mark.spec("SM-21", "SM-24")
def test_the_rp_hears_unchanged_until_the_state_changes(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)
    asked = question(rp, "state-1")

    before = ask(page, op, asked)
    give_state(browser, op, "state-2")
    after = ask(page, op, asked)

    assert (before, after) == (["unchanged"], ["changed"])


@pytest.mark.spec("SM-04")
def test_a_client_id_outside_ascii_or_with_spaces_is_understood(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)

    asked = [question(rp, "state-1", client_id=client_id) for client_id in ("a client", "bücher ☕ \U0001f600", " ")]

    assert ask(page, op, *asked) == ["unchanged"] * 3


@pytest.mark.spec("SM-06")
def test_the_origin_of_the_redirect_uri_is_the_one_the_browser_tells(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)

    session_state = issue_session_state("rp", f"HTTP://LocalHost:0{rp.port}/cb", "state-1")

    assert ask(page, op, f"rp {session_state}") == ["unchanged"]


@pytest.mark.spec("SM-22", "SM-25")
def test_malformed_messages_are_errors_and_answers_are_not_answered(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)

    assert ask(page, op, "changed", "", "error", {"a": 1}, "unchanged") == ["error", "error"]


@pytest.mark.spec("SM-23", "SEC-09")
def test_a_frame_of_the_rp_may_ask(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)
    page.evaluate(EMBED, rp.origin() + "/rp-iframe")

    assert ask(page.frames[2], op, question(rp, "state-1")) == ["unchanged"]


@pytest.mark.spec("SM-23", "SEC-09")
def test_a_frame_of_another_origin_in_the_rps_page_hears_nothing(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)
    page.evaluate(EMBED, rp.origin("127.0.0.1") + "/advertisement")

    answers = page.frames[2].evaluate(ASK, [[question(rp, "state-1", host="127.0.0.1"), "malformed"], op.origin()])

    assert answers == []


@pytest.mark.spec("SM-25")
def test_a_sandboxed_frame_hears_nothing(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)
    page.evaluate(EMBED.replace("frame.src", "frame.sandbox = 'allow-scripts'; frame.src"), rp.origin() + "/sandboxed")

    assert page.frames[2].evaluate("origin") == "null"
    assert page.frames[2].evaluate(ASK, [[question(rp, "state-1")], op.origin()]) == []


@pytest.mark.spec("SM-23")
def test_the_page_in_a_window_of_its_own_answers_nobody(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = browser.new_page()
    page.goto(rp.origin() + "/rp")
    with page.expect_popup() as popup:
        page.evaluate("(url) => { window.opened = open(url); }", op.origin() + "/check_session")
    popup.value.wait_for_load_state()
    popup.value.evaluate(ECHO)

    assert page.evaluate(ASK, [[question(rp, "state-1")], op.origin()]) == []


@pytest.mark.spec("SM-30", "RP-08")
def test_an_rp_whose_renewals_never_match_is_told_changed_three_times_at_most(
    browser: BrowserContext, op: IframeServer, rp: IframeServer
) -> None:
    give_state(browser, op, "what-the-iframe-sees")
    page = open_rp(browser, rp, op)

    answers = ask(page, op, *(question(rp, "what-the-op-sees") for _ in range(6)))

    assert answers == ["changed"] * 3 + ["error"] * 3


@pytest.mark.spec("SM-28")
def test_ten_polls_make_no_request(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op)
    asked: list[str] = []
    browser.on("request", lambda request: asked.append(request.url))
    served = len(op.requests)

    answers = ask(page, op, *[question(rp, "state-1")] * 5, *[question(rp, "old")] * 5)

    assert answers == ["unchanged"] * 5 + ["changed"] * 5
    assert asked == []
    assert op.requests[served:] == []


@pytest.mark.spec("SM-27")
def test_the_page_and_its_script_are_fetched_once(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    open_rp(browser, rp, op)
    served = len(op.requests)

    open_rp(browser, rp, op)

    assert op.requests[served:] == []


@pytest.mark.spec("SM-27")
def test_an_rp_that_is_cross_origin_isolated_can_frame_the_page(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op, path="/isolated")

    assert page.evaluate("crossOriginIsolated")
    assert ask(page, op, question(rp, "state-1")) == ["unchanged"]


@pytest.mark.spec("SM-16")
def test_the_cookie_of_an_https_issuer_is_seen_below_another_site(
    browser: BrowserContext, secure_op: IframeServer, rp: IframeServer
) -> None:
    give_state(browser, secure_op, "state-1")
    page = open_rp(browser, rp, secure_op, host="127.0.0.1")

    assert ask(page, secure_op, question(rp, "state-1", host="127.0.0.1"), question(rp, "old", host="127.0.0.1")) == [
        "unchanged",
        "changed",
    ]


@pytest.mark.spec("SM-16", "SM-30")
def test_the_cookie_of_a_loopback_issuer_is_hidden_below_another_site(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    page = open_rp(browser, rp, op, host="127.0.0.1")

    assert ask(page, op, question(rp, "state-1", host="127.0.0.1")) == ["error"]


@pytest.mark.spec("SM-30", "SEC-14", "WR-19", "P6")
def test_a_browser_that_blocks_third_party_cookies_gets_error_and_never_changed(
    blocking_browser: BrowserContext, secure_op: IframeServer, rp: IframeServer
) -> None:
    browser = blocking_browser
    give_state(browser, secure_op, "state-1")
    another_site = open_rp(browser, rp, secure_op, host="127.0.0.1")
    same_site = open_rp(browser, rp, secure_op)

    blind = ask(another_site, secure_op, *(question(rp, state, host="127.0.0.1") for state in ("state-1", "old", "state-1")))
    seeing = ask(same_site, secure_op, question(rp, "state-1"))

    assert blind == ["error"] * 3
    assert seeing == ["unchanged"]


def test_a_browser_that_never_was_at_the_op_gets_error(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    page = open_rp(browser, rp, op)

    assert ask(page, op, question(rp, "state-1")) == ["error"]


@pytest.mark.spec("SM-21", "SM-30")
def test_a_browser_that_blocks_them_answers_truly_where_the_user_lets_the_op_see_its_cookies(
    blocking_browser: BrowserContext, secure_op: IframeServer, rp: IframeServer
) -> None:
    give_state(blocking_browser, secure_op, "state-1")
    with granted_storage_access(blocking_browser, rp.origin("127.0.0.1"), secure_op.origin()):
        page = open_rp(blocking_browser, rp, secure_op, host="127.0.0.1")
        asked = question(rp, "state-1", host="127.0.0.1")

        before = ask(page, secure_op, asked)
        give_state(blocking_browser, secure_op, "state-2")
        after = ask(page, secure_op, asked)

    assert (before, after) == (["unchanged"], ["changed"])


@pytest.mark.spec("SM-30")
def test_there_a_silent_authorization_request_has_the_cookies_too(
    blocking_browser: BrowserContext, secure_op: IframeServer, rp: IframeServer
) -> None:
    give_state(blocking_browser, secure_op, "state-1")
    page = blocking_browser.new_page()
    page.goto(rp.origin("127.0.0.1") + "/rp")
    answers = []

    with granted_storage_access(blocking_browser, rp.origin("127.0.0.1"), secure_op.origin()):
        for redirect_uri in (rp.origin("127.0.0.1") + "/cb", "https://another.example/cb"):
            secure_op.redirect_uri = redirect_uri
            page.evaluate(EMBED, secure_op.origin() + "/authorization")
            answers.append(page.frames[-1].title())

    assert answers == ["code", "login_required"]


@pytest.mark.spec("SM-26")
def test_a_cookie_that_the_user_has_removed_is_a_change(browser: BrowserContext, secure_op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, secure_op, "state-1")
    page = open_rp(browser, rp, secure_op)
    asked = question(rp, "state-1")
    before = ask(page, secure_op, asked)

    browser.clear_cookies()

    assert (before, ask(page, secure_op, asked)) == (["unchanged"], ["changed"])


@pytest.mark.spec("SM-30")
def test_a_blind_iframe_asks_the_op_once_and_without_cookies(
    blocking_browser: BrowserContext, telling_op: IframeServer, rp: IframeServer
) -> None:
    give_state(blocking_browser, telling_op, "state-1")
    page = open_rp(blocking_browser, rp, telling_op, host="127.0.0.1")
    asked = question(rp, "state-1", host="127.0.0.1")

    first = page.evaluate(ASK_PATIENTLY, [[asked], telling_op.origin()])
    others = page.evaluate(ASK_PATIENTLY, [[asked] * 5, telling_op.origin()])

    assert (first, others) == (["unchanged"], ["unchanged"] * 5)
    form = urlencode({"client_id": "rp", "session_state": asked.removeprefix("rp "), "origin": rp.origin("127.0.0.1")})
    assert telling_op.questions == [{"form": form, "origin": telling_op.origin(), "cookie": None}]


@pytest.mark.spec("RP-08")
def test_questions_that_overtake_the_ops_answer_do_not_all_hear_of_one_change(
    blocking_browser: BrowserContext, telling_op: IframeServer, rp: IframeServer
) -> None:
    telling_op.status = "changed"
    page = open_rp(blocking_browser, rp, telling_op, host="127.0.0.1")
    asked = question(rp, "over", host="127.0.0.1")

    answers = page.evaluate(ASK_ALL_HEAR_FIRST, [[asked] * 5, telling_op.origin()])
    telling_op.status = "unchanged"

    assert answers == ["changed", "error"]  # the echo is no question that the script understands


@pytest.mark.spec("SM-28")
def test_an_iframe_that_sees_the_cookie_does_not_ask_the_op(
    blocking_browser: BrowserContext, telling_op: IframeServer, rp: IframeServer
) -> None:
    give_state(blocking_browser, telling_op, "state-1")
    page = open_rp(blocking_browser, rp, telling_op)
    asked_before = len(telling_op.questions)

    assert ask(page, telling_op, question(rp, "state-1"), question(rp, "old")) == ["unchanged", "changed"]
    assert len(telling_op.questions) == asked_before


@pytest.mark.spec("SM-17")
def test_what_a_logout_clears_is_the_ops_own_and_no_cookie(browser: BrowserContext, op: IframeServer, rp: IframeServer) -> None:
    give_state(browser, op, "state-1")
    give_state(browser, rp, "state-1")
    page = browser.new_page()
    for origin in (op.origin(), rp.origin(), rp.origin("127.0.0.1")):
        page.goto(origin + "/page")
        page.evaluate("localStorage.kept = 'yes'; document.cookie = 'of_rp=yes; path=/'")

    page.goto(op.origin() + "/signed_out")

    kept = {}
    for origin in (op.origin(), rp.origin(), rp.origin("127.0.0.1")):
        page.goto(origin + "/page")
        kept[origin] = page.evaluate("localStorage.kept || null")
        assert "of_rp=yes" in page.evaluate("document.cookie")
    assert kept == {op.origin(): None, rp.origin(): "yes", rp.origin("127.0.0.1"): "yes"}
    assert {cookie["value"] for cookie in browser.cookies() if cookie["name"] == "op_browser_state"} == {"state-1"}

"""The example RP's page in real Chromium, watched through `rp-helper`, with an OP iframe that answers what the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.examples.fake_op import FakeOp
from tests.examples.rp_process import serving_rp

POLL_MS = 100


@pytest.fixture(scope="module")
def serving_op() -> Iterator[FakeOp]:
    """One fake OP for the module."""
    with FakeOp.serving() as op:
        yield op


@pytest.fixture
def op(serving_op: FakeOp) -> FakeOp:
    """The fake OP, as new: alice is signed in, the iframe says `unchanged`."""
    serving_op.reset()
    return serving_op


@pytest.fixture(scope="module")
def rp(serving_op: FakeOp) -> Iterator[str]:
    """The RP's base URL."""
    pace = ["--poll-ms", str(POLL_MS), "--cool-down-ms", "500"]
    with serving_rp(serving_op.issuer, *pace) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def shared_context(module_chromium_context: Callable[[], BrowserContext]) -> BrowserContext:
    """One browser for the module."""
    return module_chromium_context()


@pytest.fixture
def context(shared_context: BrowserContext, op: FakeOp) -> BrowserContext:
    """The browser as new: no cookies, no pages but the first, which keeps it open."""
    for page in shared_context.pages[1:]:
        page.close()
    shared_context.clear_cookies()
    return shared_context


@pytest.fixture
def page(context: BrowserContext, rp: str) -> Page:
    """Alice's page at the RP, watched, with `unchanged` seen once; `window.first` marks it until it is reloaded."""
    page = context.new_page()
    page.goto(rp + "/login")
    expect_reason(page, "unchanged")
    page.evaluate("window.first = true")
    return page


def expect_reason(page: Page, reason: str) -> None:
    """Wait until the page shows what is known, and why."""
    expect(page.locator("#session-status")).to_have_attribute("data-reason", reason)


def expect_signed_out_here(page: Page) -> None:
    """Wait until the page has gone to the one that nobody is signed in at, for good."""
    expect(page.locator("h1")).to_have_text("Nobody is signed in")
    expect(page.get_by_role("status")).to_contain_text("You have been signed out here")
    page.reload()
    expect(page.locator("h1")).to_have_text("Nobody is signed in")


def silent_requests(op: FakeOp) -> list[dict[str, str]]:
    """The prompt=none requests that have reached the OP."""
    return [request for request in op.authorize_requests if request.get("prompt") == "none"]


def several_polls_later(page: Page, op: FakeOp) -> int:
    """Return when the OP iframe was asked five times more; how often it was asked then."""
    target = len(op.polls) + 5
    for _ in range(100):
        if len(op.polls) >= target:
            return len(op.polls)
        page.wait_for_timeout(POLL_MS)
    raise AssertionError("the OP iframe is not asked any more")


def expect_no_more_polls(page: Page, op: FakeOp) -> None:
    """The OP iframe is not asked again in the time of five polls."""
    before = len(op.polls)
    page.wait_for_timeout(5 * POLL_MS)
    assert len(op.polls) == before


@pytest.mark.spec("RP-01")
def test_the_page_holds_the_op_iframe_by_its_id(page: Page, op: FakeOp) -> None:
    assert page.locator("#op-session-iframe").get_attribute("src") == op.issuer + "/check_session"


@pytest.mark.spec("RP-02")
def test_the_op_iframe_is_asked_again_and_again_with_client_id_and_session_state(page: Page, op: FakeOp) -> None:
    several_polls_later(page, op)

    assert set(op.polls) == {"client a state0.salt"}


@pytest.mark.spec("RP-05", "SM-28")
def test_unchanged_asks_nothing_of_the_op(page: Page, op: FakeOp) -> None:
    several_polls_later(page, op)

    assert silent_requests(op) == []
    assert op.iframe_loads == 1
    expect_reason(page, "unchanged")


@pytest.mark.spec("RP-03")
def test_changed_asks_the_op_once_with_prompt_none_and_the_hint(page: Page, op: FakeOp) -> None:
    op.iframe_answers = ["changed", "unchanged"]
    several_polls_later(page, op)

    (request,) = silent_requests(op)
    assert request["id_token_hint"].count(".") == 2


@pytest.mark.spec("RP-04", "RP-07")
def test_the_same_user_again_changes_the_session_state_and_nothing_that_anybody_sees(page: Page, op: FakeOp) -> None:
    op.iframe_answers = ["changed", "unchanged"]
    several_polls_later(page, op)

    assert op.polls[-1] == "client a state1.salt"
    assert page.evaluate("window.first")
    expect(page.locator("#user")).to_have_text("<alice-sub> the tester")
    assert page.locator("#session-renewal-iframe").count() == 0


@pytest.mark.spec("RP-04")
def test_another_user_at_the_op_is_a_sign_out_here(page: Page, op: FakeOp) -> None:
    op.sub = "bob-sub"
    op.iframe_answers = ["changed"]

    expect_signed_out_here(page)
    assert len(silent_requests(op)) == 1


@pytest.mark.spec("RP-04")
def test_nobody_at_the_op_is_a_sign_out_here(page: Page, op: FakeOp) -> None:
    op.sub = None
    op.iframe_answers = ["changed"]

    expect_signed_out_here(page)
    assert len(silent_requests(op)) == 1


def test_back_shows_no_page_of_who_was_signed_out(page: Page, op: FakeOp) -> None:
    op.sub = None
    op.iframe_answers = ["changed"]
    expect_signed_out_here(page)

    page.go_back()

    assert "alice" not in page.content()


@pytest.mark.spec("RP-05")
def test_error_stops_the_polling_without_a_request_to_the_op(page: Page, op: FakeOp) -> None:
    op.iframe_answers = ["error"]

    expect_reason(page, "blind")
    expect_no_more_polls(page, op)
    assert silent_requests(op) == []
    expect(page.locator("#user")).to_be_visible()


@pytest.mark.spec("RP-06", "SEC-09")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another origin", "another window of the OP's origin"])
def test_a_message_from_elsewhere_is_ignored(context: BrowserContext, page: Page, op: FakeOp, rp: str, host: str) -> None:
    stranger = context.new_page()
    stranger.goto(op.issuer.replace("localhost", host) + "/check_session")
    with stranger.expect_popup() as popup:
        stranger.evaluate("url => { window.opened = window.open(url); }", rp + "/")
    expect_reason(popup.value, "unchanged")

    for answer in ("changed", "error"):
        stranger.evaluate("answer => window.opened.postMessage(answer, '*')", answer)
        page.evaluate("answer => window.postMessage(answer, '*')", answer)

    several_polls_later(popup.value, op)
    expect_reason(popup.value, "unchanged")
    expect_reason(page, "unchanged")
    assert silent_requests(op) == []


@pytest.mark.spec("RP-08", "WR-19")
def test_changed_for_ever_is_given_up_after_two_fruitless_renewals(page: Page, op: FakeOp) -> None:
    op.iframe_answers = ["changed"]

    expect_reason(page, "keeps-changing")
    expect_no_more_polls(page, op)
    assert len(silent_requests(op)) == 2
    expect(page.locator("#user")).to_be_visible()


def test_a_second_tab_notices_that_the_first_signed_out(context: BrowserContext, page: Page, op: FakeOp, rp: str) -> None:
    second = context.new_page()
    second.goto(rp + "/")
    expect_reason(second, "unchanged")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("here and at the OpenID Provider")
    op.iframe_answers = ["changed"]

    expect(second.locator("h1")).to_have_text("Nobody is signed in")
    assert silent_requests(op) == []


def test_a_second_tab_does_not_end_what_another_user_began_in_the_first(context: BrowserContext, page: Page, op: FakeOp, rp: str) -> None:
    second = context.new_page()
    second.goto(rp + "/")
    expect_reason(second, "unchanged")
    op.sub = "bob-sub"
    page.goto(rp + "/login?prompt=login")
    page.goto("about:blank")  # it polls no more: the next answer is for the second tab,
    several_polls_later(second, op)  # once a question of the first that is on its way has been answered
    op.iframe_answers = ["changed", "unchanged"]

    expect(second.locator("#user")).to_have_text("<bob-sub> the tester")
    assert silent_requests(op) == []


def test_the_pages_break_no_content_security_policy(page: Page, op: FakeOp) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    op.iframe_answers = ["changed", "unchanged"]
    page.reload()
    several_polls_later(page, op)
    page.get_by_role("button", name="Sign out", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("here and at the OpenID Provider")
    assert complaints == []

"""The demonstration in real Chromium: sign in, stay in step, sign out, over the bundled OP and its RPs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect

from examples.demo import RunningPart, plan, stop_all
from tests.examples.demo_config import ROOT, DemoConfig, write_demo_config
from tests.examples.rp_process import wait_until_it_answers

POLL_MS = 500
# One poll, one silent renewal, one page load, on a machine with other work to do.
NOTICED_WITHIN_MS = POLL_MS + 10_000  # one poll, and the time that a busy machine takes for it


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoConfig]:
    """The running demo."""
    folder = tmp_path_factory.mktemp("demo")
    config = write_demo_config(folder)
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), "--config", str(config.file), "--log-dir", str(folder / "log")]
    process = subprocess.Popen(
        [*command, "--poll-ms", str(POLL_MS)], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    try:
        for address in (config.op + "/health/ready", *config.addresses[1:]):
            wait_until_it_answers(address, timeout_s=120)
        yield config
    finally:
        process.terminate()
        assert process.wait(15) == 0


@pytest.fixture(scope="module")
def shared_browser(module_chromium_context: Callable[[], BrowserContext]) -> BrowserContext:
    """One browser for the module."""
    return module_chromium_context()


@pytest.fixture
def browser(shared_browser: BrowserContext) -> BrowserContext:
    """A browser with nobody signed in anywhere, and no pages but the first, which keeps it open."""
    for page in shared_browser.pages[1:]:
        page.close()
    shared_browser.clear_cookies()
    return shared_browser


def open_page(browser: BrowserContext, address: str) -> Page:
    """A new tab."""
    page = browser.new_page()
    page.goto(address)
    return page


def sign_in(page: Page, username: str, password: str) -> None:
    """Click "Sign in" at an RP, give name and password at the OP, agree if the OP asks, come back."""
    page.get_by_role("link", name="Sign in", exact=True).click()
    give_password(page, username, password)


def give_password(page: Page, username: str, password: str) -> None:
    """On the OP's login page."""
    page.locator("#username").fill(username)
    page.locator("#password").fill(password)
    page.locator("main button.primary, button.primary").first.click()
    agree_if_asked(page)


def sign_in_silently(page: Page) -> None:
    """Click "Sign in" at an RP; the OP asks for no password, at most for consent."""
    page.get_by_role("link", name="Sign in", exact=True).click()
    agree_if_asked(page)


def agree_if_asked(page: Page) -> None:
    """Give consent where the OP asks for it, and wait for the RP."""
    allow, greeting = page.locator("button[name=allow]"), page.locator("#user")
    expect(allow.or_(greeting)).to_be_visible()
    if allow.is_visible():
        allow.click()
    expect(greeting).to_be_visible()


def expect_unchanged(page: Page) -> None:
    """The OP iframe says `unchanged` to the page."""
    expect(page.locator("#session-status")).to_have_attribute("data-reason", "unchanged", timeout=NOTICED_WITHIN_MS)


def expect_signed_out(page: Page) -> None:
    """The page notices, within one poll, that nobody (or somebody else) is signed in."""
    expect(page.locator("h1")).to_have_text("Nobody is signed in", timeout=NOTICED_WITHIN_MS)


def sign_out(page: Page) -> None:
    """Click "Sign out" at an RP, and come back to it by the OP."""
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("You are signed out, here and at the OpenID Provider.")).to_be_visible()


def both_signed_in(browser: BrowserContext, demo: DemoConfig) -> tuple[Page, Page]:
    """Alice signed in at RP A by password and at RP B silently, in two tabs."""
    at_a = open_page(browser, demo.rp_a)
    sign_in(at_a, "alice", "wonderland")
    at_b = open_page(browser, demo.rp_b)
    sign_in_silently(at_b)
    return at_a, at_b


def signed_in_at_a_and(browser: BrowserContext, demo: DemoConfig, address: str) -> Page:
    """Alice signed in at RP A by password and at another RP silently, in the latest tab; the page at RP A."""
    at_a = open_page(browser, demo.rp_a)
    sign_in(at_a, "alice", "wonderland")
    sign_in_silently(open_page(browser, address))
    return at_a


@pytest.mark.spec("CO-05", "RP-02", "SM-21")
def test_a_sign_in_at_one_rp_is_a_silent_one_at_the_other_and_both_see_unchanged(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)

    expect(at_a.locator("#user")).to_have_text("Alice Liddell")
    expect(at_b.locator("#user")).to_have_text("Alice Liddell")
    expect_unchanged(at_a)
    expect_unchanged(at_b)


@pytest.mark.spec("SID-07")
def test_the_two_rps_know_the_session_by_different_names(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)

    assert at_a.locator("#sid").inner_text() != at_b.locator("#sid").inner_text()


@pytest.mark.spec("SM-28")
def test_polling_costs_the_op_nothing(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, _ = both_signed_in(browser, demo)
    expect_unchanged(at_a)
    requests: list[str] = []
    at_a.on("request", lambda request: requests.append(request.url))
    at_a.wait_for_timeout(4 * POLL_MS)

    assert requests == []


@pytest.mark.spec("RI-35", "RI-43", "RI-46", "RP-11")
def test_signing_out_comes_back_to_the_rp_with_its_state(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, _ = both_signed_in(browser, demo)
    asked: list[str] = []
    at_a.on("request", lambda request: asked.append(request.url))
    sign_out(at_a)

    (sent,) = [parse_qs(urlsplit(url).query) for url in asked if "id_token_hint=" in url]
    came_back = urlsplit(at_a.url)
    assert (came_back.scheme + "://" + came_back.netloc, came_back.path) == (demo.rp_a, "/signed-out")
    assert parse_qs(came_back.query) == {"state": sent["state"]}


@pytest.mark.spec("RP-03", "RP-04", "SM-13", "SM-21")
def test_signing_out_at_one_rp_is_noticed_by_the_other_within_one_poll(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)
    expect_unchanged(at_b)
    sign_out(at_a)

    expect_signed_out(at_b)
    expect(at_b.get_by_role("status")).to_contain_text("You have been signed out here")


@pytest.mark.spec("RP-04", "SM-13", "CO-03")
def test_signing_in_again_as_another_user_is_noticed_too(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)
    expect_unchanged(at_b)
    at_a.get_by_role("link", name="Sign in as somebody else").click()
    give_password(at_a, "bob", "builder")

    expect_signed_out(at_b)
    expect(at_a.locator("#user")).to_have_text("Bob Mason")
    expect_unchanged(at_a)


@pytest.mark.spec("RP-04", "SM-13")
def test_a_user_who_signs_in_after_the_logout_is_watched_anew(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)
    sign_out(at_a)
    expect_signed_out(at_b)
    sign_in(at_a, "bob", "builder")
    at_b.goto(demo.rp_b)
    sign_in_silently(at_b)

    expect(at_b.locator("#user")).to_have_text("Bob Mason")
    expect_unchanged(at_a)
    expect_unchanged(at_b)


def test_back_and_reload_show_no_signed_in_page_after_a_sign_out(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)
    sign_out(at_a)
    expect_signed_out(at_b)

    for page in (at_a, at_b):
        page.reload()
        assert "Alice" not in page.content()
        for _ in range(page.evaluate("history.length") - 1):
            page.go_back()
            expect(page.locator("body")).not_to_contain_text("Alice")


@pytest.mark.spec("CO-01", "RI-33")
def test_after_a_sign_out_the_op_asks_for_the_password_again(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a, at_b = both_signed_in(browser, demo)
    sign_out(at_a)
    expect_signed_out(at_b)
    at_b.get_by_role("link", name="Sign in", exact=True).click()

    expect(at_b.locator("#password")).to_be_visible()
    assert at_b.url.startswith(demo.op)


@pytest.mark.spec("SEC-04", "SID-01")
def test_signing_out_in_one_browser_leaves_the_same_user_in_another_signed_in(
    browser: BrowserContext, chromium_context: Callable[[], BrowserContext], demo: DemoConfig
) -> None:
    at_a, at_b = both_signed_in(browser, demo)
    also_at_a, also_at_b = both_signed_in(chromium_context(), demo)
    sign_out(at_a)
    expect_signed_out(at_b)

    for page, address in ((also_at_a, demo.rp_a), (also_at_b, demo.rp_b)):
        expect_unchanged(page)
        page.goto(address + "/login")  # asks the OP anew, which would want a password if that session were gone
        expect(page.locator("#user")).to_have_text("Alice Liddell")
        expect_unchanged(page)


@pytest.mark.spec("BC-30", "RP-33", "RP-38")
def test_an_rp_with_a_back_channel_is_told_and_its_open_page_shows_it_at_once(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a = signed_in_at_a_and(browser, demo, demo.rp_c)
    at_c = browser.pages[-1]
    sign_out(at_a)

    expect(at_c.get_by_role("status")).to_contain_text("over the back channel")


@pytest.mark.spec("FC-02", "FC-04", "RP-20", "RP-22")
def test_an_rp_with_a_front_channel_is_told_and_its_open_page_shows_it_at_once(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a = signed_in_at_a_and(browser, demo, demo.rp_d)
    at_d = browser.pages[-1]
    sign_out(at_a)

    expect(at_d.get_by_role("status")).to_contain_text("(front channel)")


@pytest.mark.spec("BC-34", "BC-35", "BC-36")
def test_an_rp_that_is_down_holds_up_nobody_and_is_told_when_it_is_repaired(browser: BrowserContext, demo: DemoConfig) -> None:
    at_a = signed_in_at_a_and(browser, demo, demo.rp_e)
    at_e = browser.pages[-1]
    sign_out(at_a)
    expect(at_e.locator("#user")).to_have_text("Alice Liddell")
    requests.post(demo.gateway + "/control?path=/fault/503&as=ok", timeout=20).raise_for_status()

    expect(at_e.get_by_role("status")).to_contain_text("over the back channel", timeout=60_000)
    told = requests.get(demo.gateway + "/received", timeout=20).json()
    assert [told[0]["fault"], told[-1]["fault"]] == ["503", "ok"]
    assert len({each["jti"] for each in told}) == len(told)
    assert len({each["sid"] for each in told}) == 1


def test_no_page_breaks_its_content_security_policy(browser: BrowserContext, demo: DemoConfig) -> None:
    complaints: list[str] = []
    browser.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    at_a, at_b = both_signed_in(browser, demo)
    expect_unchanged(at_b)
    sign_out(at_a)
    expect_signed_out(at_b)

    assert complaints == []


def test_an_op_that_is_killed_and_started_again_goes_on_where_it_was(browser: BrowserContext, tmp_path: Path) -> None:
    config = write_demo_config(tmp_path)
    op_part, *rp_parts = plan(config.file, POLL_MS)[:3]  # with the RPs A and B
    running = [RunningPart(part, tmp_path) for part in (op_part, *rp_parts)]
    try:
        for part in running:
            wait_until_it_answers(part.part.ready_url, timeout_s=120)
        at_a, at_b = both_signed_in(browser, config)
        expect_unchanged(at_b)

        running[0].process.kill()
        running[0].process.wait()
        running[0] = RunningPart(op_part, tmp_path)
        wait_until_it_answers(op_part.ready_url, timeout_s=120)

        at_b.reload()
        expect_unchanged(at_b)
        sign_out(at_a)
        expect_signed_out(at_b)
    finally:
        stop_all(running)

"""The RP helper between the example RP and the bundled OP, in a Chromium that blocks third-party cookies.

`localhost` and `127.0.0.1` are two sites: the RP on the OP's own sees it through the iframe, those elsewhere must find out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from examples.demo import Part, RunningPart, plan, stop_all
from tests.browser.conftest import ChromiumContexts
from tests.browser.test_demo import expect_signed_out, give_password, sign_in, sign_in_silently, sign_out
from tests.examples.demo_config import DemoConfig, write_demo_config
from tests.examples.rp_process import wait_until_it_answers

POLL_MS = 500


class Site(NamedTuple):
    """An OP with RPs: `near` is on its site, `far` and `farther` are on another."""

    near: str
    far: str
    farther: str


@contextmanager
def serving(folder: Path, *, status: bool, far: list[str], farther: list[str]) -> Iterator[Site]:
    """Run an OP, and RPs that watch as these arguments of theirs say."""
    config = write_demo_config(folder, rps=3)
    text = config.file.read_text()
    for address in (config.rp_b, config.rp_c):
        text = text.replace(address, elsewhere(address))
    config.file.write_text(text + f"\nsession_management:\n  status: {str(status).lower()}\n")
    op, near, *others = plan(config.file, POLL_MS)
    parts = [op, near, *(with_arguments(part, *extra) for part, extra in zip(others, (far, farther), strict=True))]
    running = [RunningPart(part, folder) for part in parts]
    try:
        for part in parts:
            wait_until_it_answers(part.ready_url, timeout_s=120)
        yield site_of(config)
    finally:
        stop_all(running)


def elsewhere(address: str) -> str:
    """The same server by the name that is of another site."""
    return address.replace("localhost", "127.0.0.1")


def with_arguments(part: Part, *arguments: str) -> Part:
    """The part with further arguments, which count where they are given twice."""
    return replace(part, command=[*part.command, "--base-url", part.address, *arguments])


def site_of(config: DemoConfig) -> Site:
    return Site(config.rp_a, elsewhere(config.rp_b), elsewhere(config.rp_c))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An OP that tells no status. `far` has the iframe alone, `farther` the back channel too."""
    both = ["--channel", "session-management", "backchannel"]
    with serving(tmp_path_factory.mktemp("plain"), status=False, far=["--channel", "session-management"], farther=both) as site:
        yield site


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An OP that tells the status. The server of `far` asks for it; `farther` has the iframe, and asks by page."""
    asking = ["--channel", "status", "--status-poll-ms", "600"]
    by_page = ["--channel", "session-management", "--renew-by", "page"]
    with serving(tmp_path_factory.mktemp("telling"), status=True, far=asking, farther=by_page) as site:
        yield site


@pytest.fixture(scope="module")
def shared_browser(module_chromium_context: ChromiumContexts) -> BrowserContext:
    """One browser for the module."""
    return module_chromium_context("blocked")


@pytest.fixture
def browser(shared_browser: BrowserContext) -> BrowserContext:
    """The browser as new: no cookies, no pages but the first, which keeps it open."""
    for page in shared_browser.pages[1:]:
        page.close()
    shared_browser.clear_cookies()
    return shared_browser


def signed_in(browser: BrowserContext, site: Site, address: str) -> tuple[Page, Page]:
    """Alice signed in at the near RP by password and at another silently; their pages."""
    near, other = browser.new_page(), browser.new_page()
    near.goto(site.near)
    sign_in(near, "alice", "wonderland")
    other.goto(address)
    sign_in_silently(other)
    return near, other


def expect_reason(page: Page, reason: str) -> None:
    """Wait until the page shows why it knows what it knows."""
    expect(page.locator("#session-status")).to_have_attribute("data-reason", reason)


def silent_requests_of(page: Page) -> list[str]:
    """The requests of a page with prompt=none, from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "prompt=none" in request.url else None)
    return asked


@pytest.mark.spec("RP-02", "RP-03", "RP-04")
def test_an_rp_on_the_site_of_the_op_sees_it_through_the_iframe(browser: BrowserContext, plain: Site) -> None:
    near, other = signed_in(browser, plain, plain.far)
    asked = silent_requests_of(near)
    expect_reason(near, "unchanged")

    other.goto(plain.near)
    expect_reason(other, "unchanged")
    sign_out(other)

    expect_signed_out(near)
    assert len(asked) <= 1


@pytest.mark.spec("RP-05", "RP-33", "WR-19")
def test_where_the_iframe_is_blind_the_rps_server_tells_of_a_logout_elsewhere(browser: BrowserContext, plain: Site) -> None:
    near, farther = signed_in(browser, plain, plain.farther)
    asked = silent_requests_of(farther)
    expect_reason(farther, "listening")
    expect(farther.locator("#session-status")).to_have_attribute("data-tried", "iframe:blind")

    sign_out(near)

    expect(farther.get_by_role("status")).to_contain_text("over the back channel")
    assert asked == []


@pytest.mark.spec("RP-05", "RP-08", "WR-19")
def test_where_nothing_works_the_page_says_so_and_does_nothing(browser: BrowserContext, plain: Site) -> None:
    near, far = signed_in(browser, plain, plain.far)
    asked = silent_requests_of(far)
    sign_out(near)

    for _ in range(3):
        far.reload()
        expect(far.locator("#session-status")).to_have_attribute("data-tried", "iframe:blind")
        expect(far.locator("#session-status")).to_have_attribute("data-state", "cannot-tell")
    expect(far.locator("#user")).to_have_text("Alice Liddell")
    expect(far.locator("iframe")).to_have_count(0)
    assert asked == []


def test_an_rps_server_that_asks_the_op_tells_of_a_logout_elsewhere(browser: BrowserContext, telling: Site) -> None:
    near, far = signed_in(browser, telling, telling.far)
    asked = silent_requests_of(far)
    expect_reason(far, "live")

    sign_out(near)

    expect(far.get_by_role("status")).to_contain_text("says, when asked")
    assert asked == []


@pytest.mark.spec("RP-03", "RP-04")
def test_a_renewal_by_page_finds_the_user_who_has_signed_in_again(browser: BrowserContext, telling: Site) -> None:
    near, farther = signed_in(browser, telling, telling.farther)
    expect_reason(farther, "unchanged")
    sign_out(near)
    near.get_by_role("link", name="Sign in", exact=True).click()
    give_password(near, "alice", "wonderland")
    asked = silent_requests_of(farther)

    farther.reload()

    expect_reason(farther, "unchanged")
    expect(farther.locator("#user")).to_have_text("Alice Liddell")
    assert len(asked) == 1


@pytest.mark.spec("RP-04", "RP-08")
def test_a_renewal_by_page_that_finds_nobody_ends_the_session(browser: BrowserContext, telling: Site) -> None:
    near, farther = signed_in(browser, telling, telling.farther)
    expect_reason(farther, "unchanged")
    sign_out(near)
    asked = silent_requests_of(farther)

    farther.reload()

    expect_signed_out(farther)
    assert len(asked) == 1

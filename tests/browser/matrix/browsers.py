"""One way to drive Chromium, by Playwright, and Firefox, by Marionette: tabs, clicks like a user's, grants, complaints about CSP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from playwright.sync_api import BrowserContext, Error, Page

from tests.browser.firefox import Firefox, FirefoxError

_WITHIN_S = 30


class NotNow(Exception):
    """The page is on its way elsewhere, or has no such frame; asking again may help."""


class Tab(Protocol):
    """A tab of a browser. `run` calls a function, given as JavaScript, as the page's own scripts could; it raises `NotNow`."""

    def goto(self, url: str) -> None:
        """Open a page."""
        ...

    def run(self, function: str, *arguments: Any) -> Any:
        """Call a function in the page."""
        ...

    def run_in_op_iframe(self, function: str, *arguments: Any) -> Any:
        """Call a function in the OP iframe of the page."""
        ...

    def fill(self, selector: str, text: str) -> None:
        """Type into a field, as a user."""
        ...

    def click(self, selector: str) -> None:
        """Click, as a user."""
        ...


class Driven(Protocol):
    """A browser under test."""

    def tab(self) -> Tab:
        """Open a tab."""
        ...

    def forget(self) -> None:
        """Close the tabs and forget all cookies, storage and grants."""
        ...

    def grant(self, tab: Tab, rp: str, op: str) -> None:
        """Let the OP use its cookies below the RP's pages, as a user who says yes, while the tab is open."""
        ...

    def complaints(self) -> list[str]:
        """Every violation of a Content Security Policy since the last call."""
        ...


def until(tab: Tab, function: str, *arguments: Any) -> Any:
    """Call the function in the page, again and again, until what it returns counts as true; return that."""
    give_up_at = time.monotonic() + _WITHIN_S
    while time.monotonic() < give_up_at:
        try:
            if value := tab.run(function, *arguments):
                return value
        except NotNow:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"not within {_WITHIN_S} s: {function}")


class ChromiumTab:
    """A tab of Chromium."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def goto(self, url: str) -> None:
        """Open a page."""
        self.page.goto(url)

    def run(self, function: str, *arguments: Any) -> Any:
        """Call a function in the page."""
        return self._try(lambda: self.page.evaluate(f"(all) => ({function})(...all)", list(arguments)))

    def run_in_op_iframe(self, function: str, *arguments: Any) -> Any:
        """Call a function in the OP iframe of the page."""
        frame = next((frame for frame in self.page.frames if frame.url.endswith("/check_session")), None)
        if frame is None:
            raise NotNow
        return self._try(lambda: frame.evaluate(f"(all) => ({function})(...all)", list(arguments)))

    def fill(self, selector: str, text: str) -> None:
        """Type into a field, as a user."""
        self.page.locator(selector).fill(text)

    def click(self, selector: str) -> None:
        """Click, as a user."""
        self.page.locator(selector).click()

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Error as err:
            if any(words in err.message for words in ("context was destroyed", "navigat", "detached", "has been closed")):
                raise NotNow from err
            raise


class Chromium:
    """A Chromium with a profile of its own."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._complaints: list[str] = []
        context.on("console", lambda message: self._complaints.append(message.text) if "Content Security Policy" in message.text else None)

    def tab(self) -> ChromiumTab:
        """Open a tab."""
        return ChromiumTab(self._context.new_page())

    def forget(self) -> None:
        """Close the tabs and forget all cookies, storage and grants."""
        self._context.clear_cookies()
        for page in self._context.pages[1:]:
            if page.url.startswith("https:"):
                page.evaluate("localStorage.clear()")
            page.close()  # its sessionStorage and its grants go with it

    def grant(self, tab: Tab, rp: str, op: str) -> None:
        """Let the OP use its cookies below the RP's pages, while the tab is open."""
        assert isinstance(tab, ChromiumTab)
        permission = {"permission": {"name": "storage-access"}, "setting": "granted", "origin": rp, "embeddedOrigin": op}
        self._context.new_cdp_session(tab.page).send("Browser.setPermission", permission)

    def complaints(self) -> list[str]:
        """Every violation of a Content Security Policy since the last call."""
        found, self._complaints[:] = list(self._complaints), []
        return found


class FirefoxTab:
    """A tab of Firefox."""

    def __init__(self, firefox: Firefox, handle: str) -> None:
        self._firefox = firefox
        self.handle = handle

    def goto(self, url: str) -> None:
        """Open a page."""
        self._choose()
        self._firefox.goto(url)

    def run(self, function: str, *arguments: Any) -> Any:
        """Call a function in the page."""
        self._choose()
        return self._try(lambda: self._firefox.run(function, *arguments))

    def run_in_op_iframe(self, function: str, *arguments: Any) -> Any:
        """Call a function in the OP iframe of the page."""
        index = self.run("() => [...document.querySelectorAll('iframe')].findIndex((frame) => frame.src.endsWith('/check_session'))")
        if index < 0:
            raise NotNow
        self._try(lambda: self._firefox.command("WebDriver:SwitchToFrame", id=index))
        return self._try(lambda: self._firefox.run(function, *arguments))

    def fill(self, selector: str, text: str) -> None:
        """Type into a field, as a user."""
        self._firefox.command("WebDriver:ElementSendKeys", id=self._element(selector), text=text)

    def click(self, selector: str) -> None:
        """Click, as a user."""
        self._firefox.command("WebDriver:ElementClick", id=self._element(selector))

    def _element(self, selector: str) -> str:
        self._choose()
        found = self._firefox.command("WebDriver:FindElement", using="css selector", value=selector)["value"]
        element: str = next(iter(found.values()))
        return element

    def _choose(self) -> None:
        self._firefox.command("WebDriver:SwitchToWindow", handle=self.handle, focus=True)  # a tab that nobody sees polls once a second
        self._firefox.command("WebDriver:SwitchToFrame", id=None)

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except FirefoxError as err:
            if any(word in str(err) for word in ("no such frame", "unloaded", "no such window", "AbortError", "discarded")):
                raise NotNow from err
            raise


class DrivenFirefox:
    """A Firefox; what tracks protection in it can be changed while it runs."""

    def __init__(self, firefox: Firefox) -> None:
        self._firefox = firefox
        self._first: str = firefox.command("WebDriver:GetWindowHandle")["value"]

    def protect(self, category: str) -> None:
        """Set the protection from tracking, `standard` or `strict`, as in the settings page."""
        self._firefox.run_in_browser("(category) => Services.prefs.setStringPref('browser.contentblocking.category', category)", category)

    def tab(self) -> FirefoxTab:
        """Open a tab."""
        return FirefoxTab(self._firefox, self._firefox.command("WebDriver:NewWindow", type="tab")["handle"])

    def forget(self) -> None:
        """Close the tabs and forget all cookies, storage and grants."""
        for handle in self._firefox.command("WebDriver:GetWindowHandles"):
            if handle != self._first:
                self._firefox.command("WebDriver:SwitchToWindow", handle=handle, focus=False)
                self._firefox.command("WebDriver:CloseWindow")
        self._firefox.command("WebDriver:SwitchToWindow", handle=self._first, focus=False)
        self._firefox.run_in_browser(
            "() => new Promise((onDataDeleted) => Services.clearData.deleteData(Ci.nsIClearDataService.CLEAR_ALL, { onDataDeleted }))"
        )

    def grant(self, tab: Tab, rp: str, op: str) -> None:  # noqa: ARG002  # a grant of Firefox is of no tab
        """Let the OP use its cookies below the RP's pages."""
        self._firefox.run_in_browser(_GRANT, rp, op)

    def complaints(self) -> list[str]:
        """Every violation of a Content Security Policy since the last call."""
        found: list[str] = self._firefox.run_in_browser(_COMPLAINTS)
        return found


# What Firefox keeps after the yes to the prompt of requestStorageAccess().
_GRANT = """
(rp, op) => {
  const site = Services.eTLD.getSite(Services.io.newURI(op));
  const principal = Services.scriptSecurityManager.createContentPrincipalFromOrigin(rp);
  Services.perms.addFromPrincipal(principal, "3rdPartyFrameStorage^" + site, Services.perms.ALLOW_ACTION);
}
"""

_COMPLAINTS = """
() => {
  const found = Services.console.getMessageArray().map(({ message }) => message).filter((text) => text.includes("Content-Security-Policy"));
  Services.console.reset();
  return found;
}
"""

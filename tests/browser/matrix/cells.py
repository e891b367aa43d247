"""What one browser shows at one RP, measured: the OP iframe, silent renewal, and RPs that poll for two minutes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from tests.browser.matrix.browsers import Driven, Tab, until
from tests.browser.matrix.site import ELSEWHERE, OPS, Asked, OpName, RpSite, Sites
from tests.bundled_op import PASSWORDS

# Puts the OP iframe into an RP's page and returns when its script has run.
_EMBED = """
(src) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.src = src;
  frame.onload = () => resolve(null);
  document.body.append(frame);
})
"""

_ASK = """
(message, origin) => new Promise((resolve) => {
  addEventListener("message", ({ data, origin: from }) => from === origin && resolve(data));
  document.querySelector("iframe").contentWindow.postMessage(message, origin);
})
"""

_ASK_SILENTLY = """
(src) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.src = src;
  addEventListener("message", ({ data }) => {
    if (data.answer === undefined) return;
    frame.remove();
    const answer = new URLSearchParams(data.answer);
    resolve(answer.get("error") || "code");
  });
  document.body.append(frame);
})
"""


@dataclass
class Cell(ABC):
    """One browser at one RP of one OP. The browser must have forgotten everything; `granted` gives the OP storage access there."""

    browser: Driven
    sites: Sites
    op: OpName
    site: RpSite
    granted: bool
    page: Tab = field(init=False)
    elsewhere: Tab = field(init=False)
    found: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.browser.forget()
        self.sites.clock.ahead_s = 0
        self.page = self.browser.tab()
        self.elsewhere = self.browser.tab()
        if self.granted:
            self.browser.grant(self.page, self.rp, self.sites.op(self.op))

    @property
    def rp(self) -> str:
        """The RP's origin."""
        return self.sites.rp(self.site)

    @abstractmethod
    def measure(self) -> None:
        """Do what a user does, and keep what is seen in `found`."""

    def log_in_elsewhere(self) -> None:
        """Give the password in another tab, at another RP, whoever is signed in already."""
        callback = self.sites.origin(ELSEWHERE) + "/cb"
        self.elsewhere.goto(self.sites.authorization(self.op, "elsewhere", callback, prompt="login"))
        self.give_password(self.elsewhere, callback)

    def log_out_elsewhere(self) -> None:
        """Log out at the OP, in another tab."""
        self.elsewhere.goto(self.sites.op(self.op) + "/end_session")
        until(self.elsewhere, "() => document.querySelector('button[name=logout]') !== null")
        self.elsewhere.click("button[name=logout]")
        until(self.elsewhere, "() => document.querySelector('h1') && !document.querySelector('button[name=logout]')")
        self.sites.clock.ahead_s += 6  # what the OP knows of a session it believes for five seconds

    def give_password(self, tab: Tab, ends_at: str) -> None:
        """On the OP's login page; return when the RP's page is there."""
        until(tab, "() => document.querySelector('#username') !== null")
        self._fill_in(tab)
        until(tab, "(url) => location.href.startsWith(url) && document.readyState === 'complete'", ends_at)

    def finish_sign_in(self, is_there: str) -> None:
        """On the way from the RP to the OP and back: give the password where it is asked; return when the RP's page is there."""
        if until(self.page, f"() => document.querySelector('#username') ? 'asked' : ({is_there})() && 'there'") == "asked":
            self._fill_in(self.page)
            until(self.page, is_there)

    def _fill_in(self, tab: Tab) -> None:
        tab.fill("#username", "alice")
        tab.fill("#password", PASSWORDS["alice"])
        tab.click("button.primary")

    def op_was_asked(self, since: int) -> list[Asked]:
        """What the OP was asked since there were so many requests."""
        return [asked for asked in self.sites.asked[since:] if asked.host == OPS[self.op]]


@dataclass
class IframeCell(Cell):
    """The OP iframe and a silent request, without any RP's script."""

    def measure(self) -> None:
        """Do what a user does, and keep what is seen in `found`."""
        found = self.found
        nobody = self._redirect(prompt="none")
        found["iframe, nobody signed in"] = self._ask(nobody)
        found["silent, nobody signed in"] = self._ask_silently()

        self.log_in_elsewhere()
        found["iframe, signed in at another RP"] = self._ask(self._redirect(prompt="none"))
        self.log_out_elsewhere()

        signed_in = self._redirect()
        found["iframe, signed in here"] = self._ask(signed_in)
        found["silent, signed in here"] = self._ask_silently()
        self.log_out_elsewhere()
        found["iframe, signed out elsewhere"] = self._ask(signed_in, embed=False)
        found["silent, signed out elsewhere"] = self._ask_silently()

    @property
    def _callback(self) -> str:
        return self.rp + "/cb"

    def _redirect(self, **more: str) -> str:
        """Go from the RP to the OP and back, give the password where asked, return `session_state`."""
        self.page.goto(self.rp + "/")
        self.page.run("(url) => { location.href = url; }", self.sites.authorization(self.op, self.site, self._callback, **more))
        if more.get("prompt") != "none":
            self.give_password(self.page, self._callback)
        until(self.page, "(url) => location.href.startsWith(url) && document.readyState === 'complete'", self._callback)
        session_state: str = self.page.run("() => new URLSearchParams(location.search).get('session_state')")
        return session_state

    def _ask(self, session_state: str, *, embed: bool = True) -> str:
        if embed:
            self.page.run(_EMBED, self.sites.op(self.op) + "/check_session")
        else:  # by now its last answer is thirty seconds old
            self.page.run_in_op_iframe("() => { const now = window.Date.now(); window.Date.now = () => now + 30000; }")
        answer: str = self.page.run(_ASK, f"{self.site} {session_state}", self.sites.op(self.op))
        return answer

    def _ask_silently(self) -> str:
        answer: str = self.page.run(_ASK_SILENTLY, self.sites.authorization(self.op, self.site, self._callback, prompt="none"))
        return answer

"""An RP that polls the OP iframe: what two minutes of it cost, and what it does when something really changes."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode

from tests.browser.matrix.browsers import NotNow, until
from tests.browser.matrix.cells import Cell

_POLL_MS = 40  # what two seconds, the pause of oidc-client-ts, become here
_SILENT_S = 3  # a page that has polled nothing and asked nothing for so long has stopped
_SILENT_LOOKS = 15  # on a busy machine, too

# In the OP iframe: each question takes as long as the pause before it would, so that two minutes of questions are two minutes to it.
_TIME_BY_POLLS = """
(pause_ms) => {
  if (window.asked !== undefined) return;
  const start = window.Date.now();
  window.asked = 0;
  addEventListener("message", () => window.asked++);
  window.Date.now = () => start + window.asked * pause_ms;
}
"""


@dataclass
class PollingCell(Cell):
    """An RP's page in a browser. A real change is a login or a logout at the OP, in another tab."""

    pause_s: ClassVar[int] = 2
    """What it waits between two polls when nobody shortens it."""

    has_polled: bool = field(init=False, default=False)
    """Whether it polled the OP iframe all the while."""

    most_renewals: int = field(init=False, default=0)
    """The most re-authentications after one real change."""

    def measure(self) -> None:
        """Do what a user does, and keep what is seen in `found`."""
        found = self.found
        self.sign_in()
        self._poll(3)  # it has begun
        since = len(self.sites.asked)
        self.has_polled = self._poll()
        found["two quiet minutes"] = f"{self.watches_by()}, {self._cost(since)}"
        found["out and in again elsewhere, meanwhile away"] = self._after(self._come_back_to_another_session)
        if self.state() != "signed in":
            self.sign_in()
        found["the user logs out elsewhere"] = self._after(self.log_out_elsewhere)

    @abstractmethod
    def sign_in(self) -> None:
        """Open the RP's page and sign in by it."""

    @abstractmethod
    def state(self) -> str:
        """What the page says: `signed in` or `signed out`."""

    @abstractmethod
    def watches_by(self) -> str:
        """What it watches by."""

    def _come_back_to_another_session(self) -> None:
        there = self.page.run("() => location.href")
        self.page.goto("about:blank")
        self.log_out_elsewhere()
        self.log_in_elsewhere()
        self.page.goto(there)

    def _after(self, change: Callable[[], None]) -> str:
        since = len(self.sites.asked)
        change()
        self._poll()
        # A browser that is told to try again with its cookies sends the same request, `state` and all.
        renewals = {asked.query["state"][0] for asked in self.op_was_asked(since) if asked.is_renewal}
        self.most_renewals = max(self.most_renewals, len(renewals))
        return f"{self.state()}, {len(renewals)}"

    def _cost(self, since: int) -> str:
        asked = self.op_was_asked(since)
        status = sum(one.path == "/check_session_status" for one in asked)
        most = 120 // 30 + 1
        if asked and len(asked) == status <= most:
            return "a request every 30 s"
        return f"{len(asked)} requests"

    def _poll(self, polls: int | None = None) -> bool:
        """Let the page poll so many times, None: as in two minutes. Return whether it did; not so when it has stopped."""
        polls = polls or 120 // self.pause_s
        target, moved_at, looks, before = None, time.monotonic(), 0, None
        while looks < _SILENT_LOOKS or time.monotonic() < moved_at + _SILENT_S:
            looks += 1
            try:
                if self.state() == "signed out":
                    return False
                self.page.run_in_op_iframe(_TIME_BY_POLLS, self.pause_s * 1000)
                asked = self.page.run_in_op_iframe("() => window.asked")
            except NotNow:
                asked = None
            if target is None and asked is not None:
                target = asked + polls
            if asked is not None and target is not None and asked >= target:
                return True
            if (asked, len(self.sites.asked)) != before:
                before, moved_at, looks = (asked, len(self.sites.asked)), time.monotonic(), 0
            time.sleep(0.15)
        return False


@dataclass
class OidcClientTsCell(PollingCell):
    """The RP on oidc-client-ts."""

    def sign_in(self) -> None:
        """Open the RP's page and sign in by it."""
        settings = {"op": self.sites.op(self.op), "client_id": self.site, "every_ms": _POLL_MS}
        self.page.goto(f"{self.rp}/oidc?{urlencode(settings)}")
        until(self.page, "() => window.rp !== undefined")
        self.page.run("() => { window.signIn(); }")
        self.finish_sign_in("() => window.rp === 'signed in' && location.search === ''")

    def state(self) -> str:
        """What the page says: `signed in` or `signed out`."""
        state: str = self.page.run("() => window.rp")
        return state

    def watches_by(self) -> str:
        """What it watches by."""
        return "iframe" if self.has_polled else "nothing"


@dataclass
class ExampleRpCell(PollingCell):
    """The example RP with its helper."""

    pause_s: ClassVar[int] = 5

    @property
    def rp(self) -> str:
        """The RP's origin."""
        return self.sites.example_rp(self.op, self.site)

    def sign_in(self) -> None:
        """Open the RP's page and sign in by it."""
        self.page.goto(self.rp + "/")
        self.page.click("a[href='/login']")  # Firefox grants what a user has begun
        self.finish_sign_in("() => document.querySelector('#user') !== null")

    def state(self) -> str:
        """What the page says: `signed in` or `signed out`."""
        state: str = until(
            self.page, "() => document.querySelector('h1') && (document.querySelector('#user') ? 'signed in' : 'signed out')"
        )
        return state

    def watches_by(self) -> str:
        """What it watches by."""
        channel: str = until(self.page, "() => document.querySelector('#session-status').dataset.channel")
        return channel

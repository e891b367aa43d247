"""Pages for the RP helper's tests: an RP and an OP that exist in the browser alone, and a clock that a test moves.

Nothing listens anywhere: what the pages ask for is answered here, as the test says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Request, Route

_Answer = TypeVar("_Answer")

RP_HELPER = Path(__file__).resolve().parents[2] / "examples" / "rp-helper"
RP = "https://rp.example"
OP = "https://op.example"
T0 = 1_800_000_000_000

CHECK_SESSION: dict[str, Any] = {"url": OP + "/check_session", "clientId": "a client", "sessionState": "state0.salt", "pollMs": 5000}
RENEW = {"url": "/renew"}

OP_IFRAME = """<!DOCTYPE html><script>
addEventListener("message", async ({ data, source, origin }) => {
  const answer = await (await fetch("/poll", { method: "POST", body: data })).text();
  if (answer !== "silence") source.postMessage(answer, origin);
});
</script>"""

# `told` are the turns of events as one string each; timers run when the test says so, those of browsers never.
START = """
async ([options, now, random]) => {
  const clock = {
    timers: new Map(), last: 0, at: now,
    now: () => clock.at,
    random: () => random,
    setTimeout: (callback, ms) => { clock.timers.set(++clock.last, [clock.at + ms, callback]); return clock.last; },
    clearTimeout: (timer) => { clock.timers.delete(timer); },
    advance(ms) {
      const until = clock.at + ms;
      for (;;) {
        const [timer] = [...clock.timers].filter(([, [due]]) => due <= until).sort(([, [a]], [, [b]]) => a - b);
        if (!timer) break;
        clock.at = Math.max(clock.at, timer[1][0]); // late where the machine has slept
        clock.timers.delete(timer[0]);
        timer[1][1]();
      }
      clock.at = until;
    },
  };
  const { SessionMonitor } = await import("/session-monitor/session-monitor.js");
  const monitor = new SessionMonitor({ ...options, clock });
  const told = [];
  monitor.addEventListener("state", ({ detail: { state, reason, channel, by } }) => {
    told.push([state, reason, channel, by].filter(Boolean).join(" "));
  });
  Object.assign(window, { clock, monitor, told });
  monitor.start();
}
"""

# As a browser in which the page may keep nothing.
NO_STORAGE = "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('', 'SecurityError'); } })"


class Scene:
    """What the OP and the RP's server answer, and what they were asked. The last of several answers repeats."""

    def __init__(self, context: BrowserContext, first_page: Page) -> None:
        self.context = context
        self._first_page: Page | None = first_page
        self.answers = ["unchanged"]  # of the OP iframe
        self.renewals: list[dict[str, str] | None] = [{"renewal": "same-user", "sessionState": "state1.salt"}]  # None: no end
        self.events: tuple[int, str] = (200, "event: live\ndata:\n\n")
        self.statuses: list[tuple[int, Any]] = [(200, {"status": "live"})]
        self.polls: list[str] = []
        self.requests: list[str] = []
        self.now = T0

    def answer(self, route: Route, request: Request) -> None:
        """Answer whatever a page asks for."""
        url = urlsplit(request.url)
        if url.hostname == "op.example" and url.path == "/poll":
            self.polls.append(request.post_data or "")
            route.fulfill(body=_next(self.answers), content_type="text/plain")
            return
        self.requests.append(url.path)
        if url.hostname == "op.example":
            route.fulfill(body=OP_IFRAME, content_type="text/html")
        elif url.path.startswith("/session-monitor/"):
            route.fulfill(body=(RP_HELPER / url.path.removeprefix("/session-monitor/")).read_text(), content_type="text/javascript")
        elif url.path == "/renew":
            route.fulfill(body=self._renewal_page(_next(self.renewals)), content_type="text/html")
        elif url.path == "/events":
            status, body = self.events
            route.fulfill(status=status, body=body, content_type="text/event-stream")
        elif url.path == "/status":
            status, answer = _next(self.statuses)
            route.fulfill(status=status, body=json.dumps(answer), content_type="application/json")
        else:
            route.fulfill(body="<!DOCTYPE html><title>RP</title><body></body>", content_type="text/html")

    def open(self, **options: Any) -> Watched:
        """Open a page of the RP that is watched by the OP iframe; `options` replace those of the monitor, None leaves one out."""
        page, self._first_page = Watched(self, self._first_page or self.context.new_page()), None
        if page.page.url != RP + "/":
            page.page.goto(RP + "/")
        page.start(**options)
        return page

    def asked_op(self) -> int:
        """How often a silent renewal was begun."""
        return self.requests.count("/renew")

    def _renewal_page(self, outcome: Mapping[str, str] | None) -> str:
        if outcome is None:
            return "<!DOCTYPE html>"
        attributes = f'data-renewal="{outcome["renewal"]}" data-session-state="{outcome.get("sessionState", "")}"'
        return f'<!DOCTYPE html><html {attributes}><script type="module" src="/session-monitor/renewal-answer.js"></script>'


class Watched:
    """A page of the RP with a monitor in it."""

    def __init__(self, scene: Scene, page: Page) -> None:
        self.scene = scene
        self.page = page

    def load(self, **options: Any) -> None:
        """Load the page, for the first time or anew, and start a monitor."""
        self.page.goto(RP + "/")
        self.start(**options)

    def start(self, random: float = 0.5, **options: Any) -> None:
        """Start a monitor in the page as it is."""
        given = {"checkSession": CHECK_SESSION, "renew": RENEW} | options
        self.page.evaluate(START, [{name: value for name, value in given.items() if value is not None}, self.scene.now, random])

    def told(self) -> list[str]:
        """Each turn of events: state, reason, channel, and who ended it."""
        told: list[str] = self.page.evaluate("told")
        return told

    def wait_until_told(self, *last: str) -> None:
        """Wait until these are the latest turns of events."""
        self.wait_until(lambda: tuple(self.told()[-len(last) :]) == last, lambda: f"{last}, but {self.told()}")

    def wait_until(self, is_so: Callable[[], bool], problem: Callable[[], str] = lambda: "it") -> None:
        """Let the browser go on until something is so."""
        give_up_at = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < give_up_at, f"waited for {problem()}"
            self.page.wait_for_timeout(20)

    def pass_time(self, ms: int) -> None:
        """Let time pass in this page: the timers of the monitor go off."""
        self.scene.now += ms
        self.page.evaluate("ms => clock.advance(ms)", ms)

    def poll(self) -> None:
        """Let the pause between two questions pass, and wait for the question."""
        before = len(self.scene.polls)
        self.pass_time(5500)
        self.wait_until(lambda: len(self.scene.polls) > before, lambda: f"a question, but {self.told()}")
        self.page.evaluate("new Promise((resolve) => setTimeout(resolve))")

    def is_idle(self) -> bool:
        """Whether nothing is left that could do anything: no timer, no frame."""
        idle: bool = self.page.evaluate("clock.timers.size === 0 && document.querySelector('iframe') === null")
        return idle

    def become(self, visibility: str) -> None:
        """Be `hidden` behind another tab, or `visible` again."""
        self.page.evaluate(
            """(visibility) => {
              Object.defineProperty(document, "visibilityState", { value: visibility, configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            visibility,
        )


def _next(answers: list[_Answer]) -> _Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]

"""Whole requests to the bundled server on a store: a sign-in, a silent one and a logout of the sessions that came last.

The server is a process of its own. A sign-in is the authorization request, the login page, its form and the token request at one RP; a
silent one is at a second RP; a logout is the request with a hint and a redirect, of the very browsers that have just signed in.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.filled_stores import Filled, cpu_s_of
from tests.bundled_op import OUT_URIS, OpBrowser
from tests.flows.machines.running_op import RunningOp


class RequestSteps:
    """What is measured of one filled store: each step takes the browsers in turns."""

    def __init__(self, filled: Filled) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        shared = {"secrets": {"file": f"{folder / 'secrets'}"}, "keys": f"{folder / 'keys.json'}"}
        self._op = RunningOp(folder, store=filled.place.url, **shared)
        self._signed_in: list[tuple[OpBrowser, dict[str, Any]]] = []
        self._renewed: list[tuple[OpBrowser, dict[str, Any]]] = []
        self.steps: Mapping[str, Callable[[], None]] = {"login": self.login, "sso": self.sso, "logout": self.logout}

    def cpu_s(self) -> float:
        """Return the CPU time that the server's threads have used."""
        assert self._op.process is not None
        return cpu_s_of([f"{self._op.process.pid}/task/{task.name}" for task in Path(f"/proc/{self._op.process.pid}/task").iterdir()])

    def login(self) -> None:
        """Sign in and redeem the code."""
        browser = self._op.browser()
        self._signed_in.append((browser, browser.sign_in("web")))

    def sso(self) -> None:
        """Sign in silently at another RP."""
        browser, tokens = self._signed_in.pop()
        assert browser.is_signed_in("spa")
        self._renewed.append((browser, tokens))

    def logout(self) -> None:
        """Sign out, as the first RP asks."""
        browser, tokens = self._renewed.pop()
        answer = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"], state="s")
        assert answer.status == 303, answer.status

    def renew(self) -> None:
        """Start the server, or end it and start it again."""
        if self._op.process is not None:
            self._op.stop()
        self._op.start()

    def close(self) -> None:
        """End the server."""
        self._op.close()
        self._folder.cleanup()

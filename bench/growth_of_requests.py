"""Complete requests to the bundled server on a store: a sign-in, a silent sign-in and a logout of the newest sessions.

The server is a separate process. A sign-in is the authorization request, the login page, its form and the token request at one RP. A
silent sign-in is at a second RP. A logout is a request with a hint and a redirect, in the browsers that have just signed in.
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
    """The measured steps on a filled store; each step uses the browsers in turns."""

    def __init__(self, filled: Filled) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        shared = {"secrets": {"file": f"{folder / 'secrets'}"}, "keys": f"{folder / 'keys.json'}"}
        self._op = RunningOp(folder, store=filled.place.url, **shared)
        self._signed_in: list[tuple[OpBrowser, dict[str, Any]]] = []
        self._renewed: list[tuple[OpBrowser, dict[str, Any]]] = []
        self.steps: Mapping[str, Callable[[], None]] = {"login": self.login, "sso": self.sso, "logout": self.logout}

    def cpu_s(self) -> float:
        """Return the CPU time of the server's threads."""
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
        """Sign out at the request of the first RP."""
        browser, tokens = self._renewed.pop()
        answer = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"], state="s")
        assert answer.status == 303, answer.status

    def renew(self) -> None:
        """Start or restart the server."""
        if self._op.process is not None:
            self._op.stop()
        self._op.start()

    def close(self) -> None:
        """Stop the server."""
        self._op.close()
        self._folder.cleanup()

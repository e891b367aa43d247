"""The system's Firefox, headless in a fresh profile, driven over Marionette, the protocol that Firefox itself brings along.

Playwright drives a Firefox of its own making alone, and WebDriver cannot do what a user's settings do: grants, preferences, a CA.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

# Nothing here changes what pages may see. Marionette's own "recommended" preferences do, so they are off.
_PREFERENCES: dict[str, str | int | bool] = {
    "marionette.port": 0,
    "remote.prefs.recommended": False,
    "network.dns.forceResolve": "127.0.0.1",
    "browser.startup.page": 0,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.newtabpage.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.normandy.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "extensions.getAddons.cache.enabled": False,
}
_START_S = 60
_ANSWER_S = 60


class FirefoxError(Exception):
    """Firefox answered a command with an error; the text is its own."""


class Firefox:
    """A running Firefox. Commands go to the tab, and the frame in it, that was chosen last."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self._process = process
        self._connection = connection
        self._received = b""
        self._commands = 0
        self._read()  # it introduces itself
        self.command("WebDriver:NewSession", strictFileInteractability=False)
        self.command("WebDriver:SetTimeouts", script=_ANSWER_S * 1000, pageLoad=_ANSWER_S * 1000)

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command, return its result.

        Raises: FirefoxError: it did not work.
        """
        self._commands += 1
        message = json.dumps([0, self._commands, name, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._read()
        assert number == self._commands
        if error is not None:
            raise FirefoxError(f"{name}: {error['error']}: {error['message']}")
        return result

    def goto(self, url: str) -> None:
        """Open a page in the present tab and wait until it is loaded."""
        self.command("WebDriver:Navigate", url=url)

    def run(self, function: str, *arguments: Any) -> Any:
        """Call a function, given as JavaScript, in the page as one of its own scripts would; a promise is awaited."""
        script = f"return ({function})(...arguments)"
        return self.command("WebDriver:ExecuteScript", script=script, args=list(arguments), sandbox=None)["value"]

    def run_in_browser(self, function: str, *arguments: Any) -> Any:
        """Call a function with the rights of the browser itself."""
        self.command("Marionette:SetContext", value="chrome")
        try:
            script = f"return ({function})(...arguments)"
            return self.command("WebDriver:ExecuteScript", script=script, args=list(arguments))["value"]
        finally:
            self.command("Marionette:SetContext", value="content")

    def close(self) -> None:
        """End it, by force when it does not want to."""
        try:
            self.command("Marionette:Quit", flags=["eForceQuit"])
        finally:
            self._connection.close()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _read(self) -> Any:
        while b":" not in self._received:
            self._receive()
        length, _, self._received = self._received.partition(b":")
        while len(self._received) < int(length):
            self._receive()
        message, self._received = self._received[: int(length)], self._received[int(length) :]
        return json.loads(message)

    def _receive(self) -> None:
        received = self._connection.recv(65536)
        if not received:
            raise FirefoxError("it has closed the connection")
        self._received += received


def firefox_executable() -> str | None:
    """The system's Firefox, or None."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


@contextmanager
def running_firefox(executable: str, folder: Path, ca: bytes, tracking_protection: Literal["standard", "strict"]) -> Iterator[Firefox]:
    """Start one in a profile of its own. Every name is this machine to it, and it trusts `ca`, in DER and base64."""
    profile = folder / "firefox"
    profile.mkdir(parents=True)
    preferences = _PREFERENCES | {"browser.contentblocking.category": tracking_protection}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [executable, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(profile)]
    with (folder / "firefox.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "MOZ_CRASHREPORTER_DISABLE": "1"}
        )
    try:
        firefox = Firefox(process, _connect(process, profile / "MarionetteActivePort"))
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        firefox.run_in_browser(_TRUST, ca.decode())
        yield firefox
    finally:
        firefox.close()


_TRUST = """
(ca) => Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(ca, "C,,") && null
"""


def _connect(process: subprocess.Popen[bytes], port_file: Path) -> socket.socket:
    give_up_at = time.monotonic() + _START_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise FirefoxError(f"it ended by itself with {process.returncode}")
        if port_file.exists() and (port := port_file.read_text()):
            return socket.create_connection(("127.0.0.1", int(port)), timeout=2 * _ANSWER_S)
        time.sleep(0.05)
    raise FirefoxError("it does not start")

"""The demonstration: the bundled OP and an example RP per client of its settings file, started together, ended together.

    python examples/demo.py [--config conf/demo.yaml]

Ctrl-C or SIGTERM ends all. What the parts log goes to `var/demo/`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from oic_session_ext.server.config.client import ClientSettings
from oic_session_ext.server.config.loader import SettingsFileError, load_settings

ROOT = Path(__file__).resolve().parents[1]
ACCENTS = ("blue", "green", "purple", "orange", "red")
CHANNELS = {
    "session-management": "its page watches the OP session",
    "backchannel": "told by the back channel",
    "frontchannel": "told by the front channel",
}
PEOPLE = (("alice", "wonderland"), ("bob", "builder"))  # as conf/demo.yaml has them
READY_TIMEOUT_S = 120
STOP_TIMEOUT_S = 5
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The installed command does the same; this finds the package also where it is not installed.
OP_COMMAND = (sys.executable, "-c", "from oic_session_ext.cli import main; main()", "serve")


class DemoFailed(Exception):
    """The demonstration cannot go on; the text says why, for the person who started it."""


@dataclass(frozen=True)
class Part:
    """One process of the demonstration. `ready_url` answers 200 once it serves; `note` is for the person who watches."""

    name: str
    address: str
    ready_url: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.address).port or 80


class RunningPart:
    """A started part, leader of its own process group, so that ending it ends whatever it started itself."""

    def __init__(self, part: Part, log_dir: Path) -> None:
        self.part = part
        self.log = log_dir / (part.name.lower().replace(" ", "-") + ".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **part.environment},
                cwd=ROOT,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether it answers. Raises: DemoFailed: it has ended."""
        self.require_alive()
        try:
            with urllib.request.urlopen(self.part.ready_url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def require_alive(self) -> None:
        """Raise `DemoFailed` with its last words when it has ended by itself."""
        if (code := self.process.poll()) is not None:
            last_words = "\n".join(f"  {line}" for line in self.log.read_text(errors="replace").splitlines()[-10:])
            raise DemoFailed(f"{self.part.name} ended by itself (exit code {code}), so the demo ends. {self.log} ends with:\n{last_words}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; one that is gone already is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def plan(config: Path, poll_ms: int) -> list[Part]:
    """The parts that a settings file describes: the OP first, then an RP for each of its clients, over the channels it registered.

    A back channel at another address than its RP gets a gateway there, which is down until somebody repairs it.

    Raises: SettingsFileError: the file is bad.
    """
    settings = load_settings(config)
    parts = [Part("OpenID Provider", settings.issuer, settings.issuer + "/health/ready", (*OP_COMMAND, str(config)))]
    for number, client in enumerate(settings.clients):
        address = _origin(client.redirect_uris[0])
        name = client.client_name or client.client_id
        channels = _channels(client)
        command = [sys.executable, str(ROOT / "examples" / "rp" / "app.py"), "--name", name, "--port", str(urlsplit(address).port)]
        command += ["--issuer", settings.issuer, "--client-id", client.client_id, "--poll-ms", str(poll_ms)]
        command += ["--channel", *channels, "--accent", ACCENTS[number % len(ACCENTS)]]
        is_down = client.backchannel_logout_uri is not None and _origin(client.backchannel_logout_uri) != address
        note = "its back channel is down" if is_down else " and ".join(CHANNELS[channel] for channel in channels)
        parts.append(Part(name, address, address + "/", command, {"RP_CLIENT_SECRET": client.read_secret() or ""}, note))
        if is_down and client.backchannel_logout_uri is not None:
            parts.append(_failing_gateway(f"{name} gateway", client.backchannel_logout_uri, address))
    return parts


def _channels(client: ClientSettings) -> list[str]:
    registered = {"frontchannel": client.frontchannel_logout_uri, "backchannel": client.backchannel_logout_uri}
    return [channel for channel, uri in registered.items() if uri is not None] or ["session-management"]


def _failing_gateway(name: str, backchannel_logout_uri: str, rp_address: str) -> Part:
    address = _origin(backchannel_logout_uri)
    fault = "/".join(urlsplit(backchannel_logout_uri).path.split("/")[:3])
    command = (sys.executable, str(ROOT / "examples" / "fault_rp" / "fault_rp.py"), "--port", str(urlsplit(address).port))
    repair = f"curl -X POST '{address}/control?path={fault}&as=ok' repairs it"
    return Part(name, address, address + "/", (*command, "--forward-to", rp_address), note=repair)


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def require_free_ports(parts: Sequence[Part]) -> None:
    """Raise `DemoFailed` naming the first port that somebody else listens on."""
    for part in parts:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", part.port))
            except OSError as err:
                raise DemoFailed(f"Port {part.port}, which {part.name} needs, is in use: end what listens there, then try again.") from err


def stop_all(running: Sequence[RunningPart]) -> None:
    """End every part: politely first, by force what is still there after `STOP_TIMEOUT_S`."""
    for part in running:
        part.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for part in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.process.wait(max(0.0, deadline - time.monotonic()))
        part.signal(signal.SIGKILL)  # also whatever it left behind in its group
        part.process.wait()


class Demo:
    """One run, from start to the signal that ends it."""

    def __init__(self, parts: Sequence[Part], log_dir: Path) -> None:
        self._parts = parts
        self._log_dir = log_dir
        self._is_asked_to_stop = False

    def ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        """The handler of the signals that end the demonstration; once is enough, a second Ctrl-C cannot break the ending off."""
        self._is_asked_to_stop = True
        for each in ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)

    def run(self) -> None:
        """Start all, say where they are, stay until asked to stop. Nothing is left running, whatever happens.

        Raises: DemoFailed: a port is in use, or a part did not start or ended by itself.
        """
        require_free_ports(self._parts)
        self._log_dir.mkdir(parents=True, exist_ok=True)
        running: list[RunningPart] = []
        try:
            for part in self._parts:
                started = RunningPart(part, self._log_dir)
                running.append(started)  # one by one: what is started already is ended if the next one cannot be
            self._wait_until_ready(running)
            if not self._is_asked_to_stop:
                self._announce()
            while not self._is_asked_to_stop:
                for each in running:
                    each.require_alive()
                time.sleep(0.2)
        finally:
            stop_all(running)

    def _wait_until_ready(self, running: Sequence[RunningPart]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        for part in running:
            while not self._is_asked_to_stop and not part.is_ready():
                if time.monotonic() > deadline:
                    raise DemoFailed(f"{part.part.name} does not answer at {part.part.ready_url}; see {part.log}.")
                time.sleep(0.1)

    def _announce(self) -> None:
        width = max(len(part.name) for part in self._parts)
        lines = ["", *(f"  {part.name:<{width}}  {part.address}  {part.note}".rstrip() for part in self._parts), ""]
        lines += [f"  Sign in as {' or as '.join(f'{name} with the password {password}' for name, password in PEOPLE)}."]
        lines += ["  Open the RPs side by side in one browser. Ctrl-C ends the demo.", ""]
        print("\n".join(lines), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 when a signal ended it, 1 when it failed, 2 when the settings file is bad."""
    parser = argparse.ArgumentParser(description="Run the bundled OP with an example RP per client.")
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "demo.yaml")
    parser.add_argument("--log-dir", type=Path, default=ROOT / "var" / "demo")
    parser.add_argument("--poll-ms", type=int, default=2000, help="how often the RPs' pages ask the OP iframe")
    options = parser.parse_args(arguments)
    try:
        demo = Demo(plan(options.config.resolve(), options.poll_ms), options.log_dir)
    except SettingsFileError as err:
        print(err, file=sys.stderr)
        return 2
    for number in ENDING_SIGNALS:
        signal.signal(number, demo.ask_to_stop)
    try:
        demo.run()
    except DemoFailed as err:
        print(err, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

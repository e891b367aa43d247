"""A cluster on one machine, without containers: two OPs of two processes each behind nginx, on PostgreSQL or Redis.

    python examples/cluster/cluster.py [--store postgresql|redis]

Ctrl-C or SIGTERM ends all. Data and logs are in `var/cluster/`, secrets among them.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
READY_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The installed command does the same; this finds the package also where it is not installed.
OP_COMMAND = (sys.executable, "-c", "from oic_session_ext.cli import main; main()")


class ClusterFailed(Exception):
    """The cluster cannot go on; the text says why, for the person who started it."""


class Part:
    """A program that runs, what it prints in `NAME.log`. `ends_by` is the signal that lets it finish what it is at."""

    def __init__(
        self, name: str, command: list[Any], folder: Path, *, ends_by: signal.Signals = signal.SIGTERM, **environment: str
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._ends_by = ends_by
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                start_new_session=True,  # Ctrl-C is for this script alone, which ends the parts one after the other
            )

    def has_ended(self) -> bool:
        """Tell whether it runs no more."""
        return self.process.poll() is not None

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return when it is ready.

        Raises: ClusterFailed: it ended before, or takes too long.
        """
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while not is_ready():
            if self.has_ended() or time.monotonic() > give_up_at:
                last = self.log.read_text(errors="replace").strip().splitlines()[-5:]
                raise ClusterFailed(
                    "\n  ".join([f"{self.name} {'ended' if self.has_ended() else 'does not get ready'}; in {self.log}:", *last])
                )
            time.sleep(0.05)

    def end(self) -> None:
        """Let it finish; what does not is killed."""
        if not self.has_ended():
            self.process.send_signal(self._ends_by)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Cluster:
    """The parts, in the order in which they were started."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder.absolute()
        self.parts: list[Part] = []
        self.store_url = ""
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start everything, each part when those that it needs are ready."""
        nginx = find_program("nginx", "nginx", ["/usr/sbin"])
        start_store = self._prepare_postgresql() if self.options.store == "postgresql" else self._prepare_redis()
        # PostgreSQL has another user when this is root; it finds its way to its own folder, and can list nothing
        self.folder.mkdir(mode=0o711 if os.getuid() == 0 else 0o700, parents=True, exist_ok=True)
        start_store()
        settings = [self._write_settings(name, port) for name, port in zip(("one", "other"), self.options.op_ports, strict=True)]
        if self.options.store == "postgresql":
            command = [*OP_COMMAND, "migrate", str(settings[0])]
            migrated = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)} | self.environment, check=False)
            if migrated.returncode:
                raise ClusterFailed("the tables cannot be made")
        ops = [self._run(f"op-{file.stem}", [*OP_COMMAND, "serve", file], **self.environment) for file in settings]
        for op, port in zip(ops, self.options.op_ports, strict=True):
            op.wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}/health/ready"))  # type: ignore[misc]
        balancer = self._run("nginx", [nginx, "-p", self.folder, "-c", self._write_nginx_conf()], ends_by=signal.SIGQUIT)
        balancer.wait_until(lambda: answers(f"{self.issuer}/health/ready"))

    @property
    def issuer(self) -> str:
        """The address that browsers and RPs know."""
        return f"http://localhost:{self.options.port}"

    def watch(self) -> None:
        """Return never: wait for a signal, and tell of parts that end.

        Raises: ClusterFailed: a part has ended that the others cannot do without.
        """
        ended: set[Part] = set()
        while True:
            for part in self.parts:
                if part.has_ended() and part not in ended:
                    ended.add(part)
                    if not part.name.startswith("op-") or len([one for one in ended if one.name.startswith("op-")]) == 2:
                        raise ClusterFailed(f"{part.name} has ended; see {part.log}")
                    print(f"{part.name} has ended; the other goes on", flush=True)
            time.sleep(0.2)

    def end(self) -> None:
        """End all parts, the last first."""
        while self.parts:
            self.parts.pop().end()

    def _run(self, name: str, command: list[Any], **how: Any) -> Part:
        part = Part(name, command, self.folder, **how)
        self.parts.append(part)
        return part

    def _prepare_postgresql(self) -> Callable[[], None]:
        programs = find_program("initdb", "PostgreSQL", sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)).resolve().parent
        folder, port = self.folder / "postgresql", self.options.store_port
        runs_as: list[str] = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        )  # it refuses root

        def start() -> None:
            folder.mkdir(mode=0o700, exist_ok=True)
            password = folder / "password"
            is_new = not (folder / "data" / "PG_VERSION").exists()
            if is_new:
                password.write_text(secrets.token_urlsafe(24))
                password.chmod(0o600)
                if runs_as:
                    owner = pwd.getpwnam("postgres")
                    os.chown(folder, owner.pw_uid, owner.pw_gid)
                    os.chown(password, owner.pw_uid, owner.pw_gid)
                options = ["--username=op", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
                command = [*runs_as, str(programs / "initdb"), "-D", str(folder / "data"), *options]
                made = subprocess.run(command, capture_output=True, text=True, check=False)
                if made.returncode:
                    raise ClusterFailed(f"PostgreSQL's data cannot be made in {folder}: {made.stderr.strip()}")
            self.environment["PGPASSWORD"] = password.read_text()
            given = [f"--port={port}", "--listen_addresses=127.0.0.1", f"--unix_socket_directories={folder}"]
            server = self._run("postgresql", [*runs_as, programs / "postgres", "-D", folder / "data", *given], ends_by=signal.SIGINT)
            address = ["--host=127.0.0.1", f"--port={port}"]
            asked = [str(programs / "pg_isready"), "--quiet", *address]
            server.wait_until(lambda: subprocess.run(asked, check=False).returncode == 0)
            if is_new:
                subprocess.run([programs / "createdb", *address, "--username=op", "op"], env=os.environ | self.environment, check=True)
            self.store_url = f"postgresql+psycopg://op@127.0.0.1:{port}/op"

        return start

    def _prepare_redis(self) -> Callable[[], None]:
        program = shutil.which("valkey-server") or find_program("redis-server", "redis-server", [])
        port = self.options.store_port

        def start() -> None:
            from redis import Redis  # noqa: PLC0415 -- an extra of the package
            from redis.exceptions import RedisError  # noqa: PLC0415

            (self.folder / "redis").mkdir(mode=0o700, exist_ok=True)
            durable = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""]
            server = self._run("redis", [program, "--bind", "127.0.0.1", "--port", port, "--dir", self.folder / "redis", *durable])

            def is_ready() -> bool:
                try:
                    return bool(Redis(port=port).ping())
                except RedisError:
                    return False

            server.wait_until(is_ready)
            self.store_url = f"redis://127.0.0.1:{port}/0"

        return start

    def _write_settings(self, name: str, port: int) -> Path:
        """Write the settings of one OP: the containers' file with what differs on this machine."""
        settings = YAML(typ="safe").load(HERE / f"{self.options.store}.yaml")
        settings["issuer"] = self.issuer
        settings["listen"] |= {"host": "127.0.0.1", "port": port, "proxy": {"trusted": ["127.0.0.1"]}}
        settings["store"] = self.store_url
        settings["secrets"] = {"file": str(self.folder / "secrets")}
        settings["keys"] = str(self.folder / "keys.json")
        file = self.folder / f"{name}.yaml"
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings, indent=1))  # JSON is YAML
        return file

    def _write_nginx_conf(self) -> Path:
        """Write nginx's settings: the containers' site, all files of it in our folder."""
        site = (HERE / "nginx.conf").read_text()
        addresses = ("op-one:8080", "op-other:8080", "listen 8090")
        here = (*(f"127.0.0.1:{port}" for port in self.options.op_ports), f"listen 127.0.0.1:{self.options.port}")
        for address, ours in zip(addresses, here, strict=True):
            site = site.replace(address, ours)
        temporary = "".join(f"{kind}_temp_path temporary-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file = self.folder / "nginx.conf"
        file.write_text(f"daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{temporary}{site}}}\n")
        return file


def find_program(name: str, package: str, places: list[Any]) -> Path:
    """Return where a program is; Debian keeps some where no PATH leads.

    Raises: ClusterFailed: it is not installed.
    """
    found = shutil.which(name) or next((str(Path(place) / name) for place in places if (Path(place) / name).exists()), None)
    if found is None:
        raise ClusterFailed(f"{name} is not installed (Debian: apt-get install {package.lower()})")
    return Path(found)


def answers(url: str) -> bool:
    """Tell whether a URL is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def main() -> int:
    """Run the cluster that the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Two OPs behind nginx, on this machine, until Ctrl-C.")
    parser.add_argument("--store", choices=("postgresql", "redis"), default="postgresql")
    parser.add_argument("--port", type=int, default=8090, help="nginx listens here; the issuer is http://localhost:PORT")
    parser.add_argument("--op-ports", type=int, nargs=2, default=(8091, 8092), metavar="PORT")
    parser.add_argument("--store-port", type=int, default=8093, metavar="PORT")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "cluster", help="for data, secrets and logs")
    cluster = Cluster(parser.parse_args())

    def end(*_: object) -> None:
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it ends already
        raise KeyboardInterrupt

    for number in ENDING_SIGNALS:
        signal.signal(number, end)
    try:
        cluster.start()
        ops = " and ".join(
            f"http://127.0.0.1:{port} (process {part.process.pid})"
            for port, part in zip(cluster.options.op_ports, (part for part in cluster.parts if part.name.startswith("op-")), strict=True)
        )
        print(f"The OP: {cluster.issuer}, alice with the password wonderland\nBehind nginx: {ops}\nCtrl-C ends all.", flush=True)
        cluster.watch()
    except KeyboardInterrupt:
        return 0
    except ClusterFailed as err:
        print(err, file=sys.stderr)
        return 1
    finally:
        cluster.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

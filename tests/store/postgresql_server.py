"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port, durable, started and stopped at will."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from oic_session_ext.store import migrate

USER = "op"
PASSWORD = "p@ss/word"


def _programs() -> Path | None:
    """The folder of `postgres` and `initdb`; Debian keeps each version's in a place that is in no PATH."""
    on_path = shutil.which("postgres")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    candidates = ([Path(on_path).resolve()] if on_path else []) + found[::-1]
    return next((file.parent for file in candidates if (file.parent / "initdb").exists()), None)


class PostgresqlServer:
    """A cluster in `folder`, which belongs to the user that runs it: PostgreSQL refuses to run as root."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._runs_as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def make(self) -> None:
        """Make the cluster, with a user of the OP and a password."""
        if self._runs_as:
            postgres = pwd.getpwnam("postgres")
            os.chown(self._folder, postgres.pw_uid, postgres.pw_gid)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", f"--username={USER}"]
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        subprocess.run(
            [*self._runs_as, self._programs / "initdb", "-D", self._data, f"--pwfile={password_file}", *options],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._folder, "max_connections": 60}
        given = [f"--{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._runs_as, self._programs / "postgres", "-D", self._data, *given], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, "the server ended as it started"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.admin("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and wait until it is gone. SIGINT ends the clients' work first, SIGQUIT leaves it all for the next start to mend."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it answer nobody: not even its kernel hangs up."""
        processes = [int(line.split()[0]) for line in self._children()]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _children(self) -> list[str]:
        assert self._process is not None
        return [f"{self._process.pid}", *Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()]

    def admin(self, database: str) -> psycopg.Connection:
        """Connect with the driver alone."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True, connect_timeout=10
        )

    def url(self, database: str, *, query: str = "") -> str:
        """The URL of a store in a database."""
        return f"postgresql+psycopg://{USER}:{PASSWORD.replace('@', '%40').replace('/', '%2F')}@127.0.0.1:{self.port}/{database}{query}"

    def new_database(self, *, is_empty: bool = False) -> str:
        """Make a database, with our tables or without, and return its name."""
        name = f"test_{next(self._numbers)}"
        with self.admin("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if is_empty else self._template(connection)}")
        return name

    def emptied_database(self) -> str:
        """Return a database with our tables, which others have used before and whose rows are gone; quicker than a new one."""
        with self.admin("postgres") as connection:
            name = self._template(connection, "shared")
        with self.admin(name) as connection:
            for table in ("op_sessions", "grants", "clients", "consents", "ephemerals", "notices", "facts"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- names of the line above
        return name

    def _template(self, connection: psycopg.Connection, name: str = "with_tables") -> str:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {name}")
            migrate(self.url(name))
        return name


def programs_or_skip() -> Path:
    """Return the folder of PostgreSQL's programs; without them tests are skipped, but in CI they fail."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed", pytrace=False)
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return programs


def postgresql_or_skip() -> Iterator[PostgresqlServer]:
    """Give a server that runs, and end it; without PostgreSQL tests are skipped, but in CI they fail."""
    programs = programs_or_skip()
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        server = PostgresqlServer(programs, Path(folder))
        server.make()
        server.start()
        yield server
        server.stop(signal.SIGQUIT)

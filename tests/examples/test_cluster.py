"""The cluster of `examples/cluster`: what its script starts goes on when one OP dies, and what its compose file names is there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from oic_session_ext.server.config.loader import load_settings
from tests.bundled_op import OpBrowser
from tests.flows.machines.forward import forward_to
from tests.flows.machines.nginx import nginx_or_skip
from tests.flows.machines.running_op import ROOT
from tests.store.postgresql_server import programs_or_skip
from tests.store.redis_server import redis_program_or_skip

HERE = ROOT / "examples" / "cluster"
SCRIPT = HERE / "cluster.py"
CALLBACK = {"redirect_uri": "http://localhost:8081/callback"}


class RunningCluster:
    """The script, started; `ops` are its OPs' processes."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder = folder
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
        self.port, one, other, store_port = ports = [free.getsockname()[1] for free in sockets]
        for free in sockets:
            free.close()
        assert len(set(ports)) == 4
        options = [f"--port={self.port}", "--op-ports", f"{one}", f"{other}", f"--store-port={store_port}", f"--folder={folder}"]
        with (folder / "script.log").open("wb") as log:
            self.process = subprocess.Popen([sys.executable, SCRIPT, f"--store={store}", *options], stdout=log, stderr=log)
        self.wait_for("Ctrl-C ends all")
        self.ops = [int(pid) for pid in re.findall(r"\(process (\d+)\)", self.says)]

    @property
    def says(self) -> str:
        return (self.folder / "script.log").read_text()

    def wait_for(self, text: str) -> None:
        give_up_at = time.monotonic() + 120
        while text not in self.says:
            assert self.process.poll() is None, self.says
            assert time.monotonic() < give_up_at, self.says
            time.sleep(0.05)

    def browser(self) -> OpBrowser:
        return OpBrowser(forward_to(self.port), f"http://localhost:{self.port}")


@pytest.fixture(params=["postgresql", "redis"])
def cluster(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    nginx_or_skip()
    if request.param == "postgresql":
        programs_or_skip()
    else:
        redis_program_or_skip()
    # not pytest's own folder: where tests run as root, the user of PostgreSQL could not come to it
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        Path(folder).chmod(0o711)
        cluster = RunningCluster(Path(folder), request.param)
        try:
            yield cluster
        finally:
            cluster.process.terminate()
            cluster.process.wait(90)


def test_when_one_op_is_killed_the_other_goes_on_and_a_signal_ends_it_all(cluster: RunningCluster) -> None:
    browser = cluster.browser()
    page = browser.login_page("app", **CALLBACK)
    assert "code" in browser.submit(page, username="alice", password="wonderland").query

    os.kill(cluster.ops[0], signal.SIGKILL)

    assert all("code" in browser.renew("app", **CALLBACK).query for _ in range(4))
    assert browser.submit(browser.end_session(), "logout").status == 200
    assert [browser.renew("app", **CALLBACK).error for _ in range(4)] == ["login_required"] * 4
    cluster.wait_for("has ended; the other goes on")
    cluster.process.send_signal(signal.SIGTERM)
    assert cluster.process.wait(90) == 0
    assert not Path(f"/proc/{cluster.ops[1]}").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", cluster.port), timeout=5)


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    environment = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SCRIPT), "--store=redis", f"--folder={tmp_path}"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    # Debian's nginx is found in its place, which is in no user's PATH
    assert re.fullmatch(r"(nginx|redis-server) is not installed \(Debian: apt-get install \1\)\n", done.stderr)


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_the_settings_of_the_containers_are_good(store: str) -> None:
    settings = load_settings(HERE / f"{store}.yaml")

    assert settings.listen.processes == 2
    assert settings.listen.proxy is not None


def test_the_compose_file_names_what_is_there() -> None:
    compose: dict[str, Any] = YAML(typ="safe").load(HERE / "compose.yaml")
    services = compose["services"]

    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0] if not volume.startswith("./${STORE") else "./postgresql.yaml"
            assert (HERE / source).exists() if source.startswith(".") else source in compose["volumes"]
        assert set(service.get("depends_on", [])) <= services.keys()
    build = services["op-one"]["build"]
    context = (HERE / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).exists()
    site = (HERE / "nginx.conf").read_text()
    assert {"op-one", "op-other"} == set(re.findall(r"server (op-\w+):8080;", site))
    assert "listen 8090;" in site

"""Measures logout with ten back-channel RPs: ours on SQLite and in memory, beside node oidc-provider's, in one run.

    python -m bench.logout_notices path/to/drive.py [--node folder/with/node_modules] [--n 100] [--together 4]

Each of `--n` browsers signs in at ten RPs and logs out; `--together` of them log out at a time. The RPs are `examples/fault_rp`, which
answers 200 at once. The table shows server CPU from the first logout until the last RP was notified, per logout and per RP, and how many
RPs were notified per second.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.util
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from bench.run import ROOT, Contender, serving

RPS = 10
OURS, NODE, RECEIVER = "http://127.0.0.1:9104", "http://127.0.0.1:9105", "http://127.0.0.1:9200"
REDIRECT_URI, OUT_URI = "http://rp.example.com/cb", "http://rp.example.com/out"
USER = {"user": "alice", "password": "wonderland"}


@dataclass(frozen=True)
class Figures:
    """The result of one OP: milliseconds of CPU, and RPs notified per second."""

    name: str
    cpu_per_logout_ms: float
    cpu_per_notice_ms: float
    notices_per_s: float

    def __str__(self) -> str:
        """One row of the table."""
        return f"| {self.name} | {self.cpu_per_logout_ms:.2f} | {self.cpu_per_notice_ms:.3f} | {self.notices_per_s:.0f} |"


class Bench:
    """Plays the browsers against one OP at a time, with the given driver's own browser."""

    def __init__(self, driver: Path, browsers: int, together: int) -> None:
        self._drive = _load(driver)
        self._n = browsers
        self._together = together

    def measure(self, contender: Contender) -> Figures:
        """Start an OP, sign in, log out, count."""
        with receiving(), serving(contender) as pid:
            conf = _get(f"{contender.issuer}/.well-known/openid-configuration")
            self._log_out(conf, [self._sign_in(contender, conf) for _ in range(max(4, self._together))])  # warm-up
            signed_in = [self._sign_in(contender, conf) for _ in range(self._n)]
            _wait_until_told(RPS * max(4, self._together))
            cpu, start = self._drive.cpu_ms(pid), time.perf_counter()
            self._log_out(conf, signed_in)
            _wait_until_told(RPS * (self._n + max(4, self._together)))
            elapsed, used = time.perf_counter() - start, self._drive.cpu_ms(pid) - cpu
        return Figures(contender.name, used / self._n, used / self._n / RPS, self._n * RPS / elapsed)

    def _sign_in(self, contender: Contender, conf: dict[str, Any]) -> tuple[Any, str]:
        """Sign in at every RP; return the browser and an ID Token of the first."""
        browser, id_token = self._drive.Browser(contender.issuer), ""
        for i in range(RPS):
            verifier = secrets.token_urlsafe(40)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
            query = {"response_type": "code", "client_id": f"rp-{i}", "redirect_uri": REDIRECT_URI, "scope": "openid"}
            query |= {"state": "s", "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256"}
            url = f"{conf['authorization_endpoint']}?{urlencode(query)}"
            where = self._drive.until_redirect_to(browser, REDIRECT_URI, "GET", url, None, USER)
            if i == 0:
                id_token = self._redeem(contender, conf, parse_qs(urlsplit(where).query)["code"][0], verifier)
        browser.close()
        return browser, id_token

    def _redeem(self, contender: Contender, conf: dict[str, Any], code: str, verifier: str) -> str:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": verifier}
        authorization = "Basic " + base64.b64encode(b"rp-0:secret-of-rp-0").decode()
        api = self._drive.Browser(contender.issuer, is_page=False)
        _, body = api.request("POST", conf["token_endpoint"], urlencode(form), {"Authorization": authorization})
        api.close()
        return str(json.loads(body)["id_token"])

    def _log_out(self, conf: dict[str, Any], signed_in: list[tuple[Any, str]]) -> None:
        left, lock = iter(signed_in), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    one = next(left, None)
                if one is None:
                    return
                query = urlencode({"id_token_hint": one[1], "post_logout_redirect_uri": OUT_URI})
                self._drive.until_redirect_to(one[0], OUT_URI, "GET", f"{conf['end_session_endpoint']}?{query}", None, USER)
                one[0].close()

        threads = [threading.Thread(target=work) for _ in range(self._together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def ours(name: str, folder: Path, store: str) -> Contender:
    """The bundled server with ten back-channel clients on this machine."""
    settings = {
        "issuer": OURS,
        "listen": {"port": 9104},
        "store": store,
        "login": {"cheap_passwords_for_benchmarks": True},
        "logout": {"backchannel": {"allow_networks": ["127.0.0.0/8"]}},
        "logging": {"level": "warning"},
        "users": [{"username": USER["user"], "password": USER["password"]}],
        "clients": [
            {
                "client_id": f"rp-{i}",
                "client_secret": f"secret-of-rp-{i}",
                "redirect_uris": [REDIRECT_URI],
                "post_logout_redirect_uris": [OUT_URI],
                "backchannel_logout_uri": f"{RECEIVER}/fault/ok/rp-{i}/backchannel_logout",
                "backchannel_logout_session_required": True,
                "allow_http": True,
                "consent": "skip",
            }
            for i in range(RPS)
        ],
    }
    file = folder / "op.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    return Contender(name, OURS, [sys.executable, "-m", "oic_session_ext.cli", "serve", str(file)])


@contextmanager
def receiving() -> Iterator[None]:
    """Run the RPs."""
    command = [sys.executable, str(ROOT / "examples" / "fault_rp" / "fault_rp.py"), "--port", str(urlsplit(RECEIVER).port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                _get(f"{RECEIVER}/received/summary")
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_told(count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(rp["requests"] for rp in _get(f"{RECEIVER}/received/summary?path=/fault/ok").values()) < count:
        if time.monotonic() > deadline:
            raise SystemExit("some RPs were not notified")
        time.sleep(0.02)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _load(driver: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("drive", driver)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{driver} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure logout with ten back-channel RPs.")
    parser.add_argument("driver", type=Path, help="the drive.py that plays the browsers")
    parser.add_argument("--node", type=Path, help="a folder in which oidc-provider is installed")
    parser.add_argument("--n", type=int, default=100, help="browsers")
    parser.add_argument("--together", type=int, default=4, help="how many log out at a time")
    options = parser.parse_args()
    bench = Bench(options.driver, options.n, options.together)
    print("| OP | CPU ms per logout | CPU ms per RP notified | RPs notified per second |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        print(bench.measure(ours("ours, SQLite", Path(folder), "sqlite:///op.sqlite")), flush=True)
        print(bench.measure(ours("ours, memory", Path(folder), "memory:")), flush=True)
    if options.node is not None:
        shutil.copy(ROOT / "bench" / "logout_notices_peer.mjs", options.node)
        environment = {"NODE_ENV": "production", "RECEIVER": RECEIVER}
        node = Contender("node oidc-provider 9 (memory)", NODE, ["node", "logout_notices_peer.mjs"], str(options.node), environment)
        print(bench.measure(node), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

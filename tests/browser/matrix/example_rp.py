"""The example RP, `examples/rp`, as one of the sites of the matrix: its own process, with TLS and a name before it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from tests.examples.rp_process import RP_APP, wait_until_it_answers

SECRET = "secret of an example RP"
POLL_MS = 250  # what five seconds, its pause between two polls, become here


class Forwarded:
    """A WSGI application that hands requests on to an HTTP server on this machine, and answers as soon as that does."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer as the server does."""
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers["Connection"] = "close"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length:
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        target = environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else "")
        connection.request(environ["REQUEST_METHOD"], target, environ["wsgi.input"].read(length) or None, headers)
        response = connection.getresponse()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in ("connection", "transfer-encoding")]
        start_response(f"{response.status} {response.reason}", kept)
        return self._body(connection, response)

    def _body(self, connection: HTTPConnection, response: HTTPResponse) -> Iterator[bytes]:
        try:
            while part := response.read1(65536):  # server-sent events go on as they come
                yield part
        finally:
            connection.close()


@contextmanager
def example_rp(port: int, base_url: str, issuer: str, client_id: str, ca_file: Path) -> Iterator[None]:
    """Run one that watches by the OP iframe and, where that is blind, hears of logouts from its own server."""
    command = [sys.executable, str(Path(__file__).with_name("loopback_names.py")), str(RP_APP)]
    command += ["--name", "RP", "--port", str(port), "--base-url", base_url, "--issuer", issuer, "--client-id", client_id]
    command += ["--channel", "session-management", "backchannel", "--poll-ms", str(POLL_MS)]
    process = subprocess.Popen(command, env=os.environ | {"RP_CLIENT_SECRET": SECRET, "REQUESTS_CA_BUNDLE": str(ca_file)})
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/", timeout_s=60)
        yield
    finally:
        process.terminate()
        process.wait(20)

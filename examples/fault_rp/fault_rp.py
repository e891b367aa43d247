"""An RP that misbehaves on demand at its logout URIs: to see what an OP makes of it, and for tests.

    python examples/fault_rp/fault_rp.py --port 8086

`http://localhost:8086/fault/hang/backchannel_logout` hangs, `/fault/503/...` answers 503, and so on: one process plays any number of
RPs. It checks no token and has no users. README.md beside this file lists the faults and how to change them while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import sys
import urllib.error
import urllib.request
from urllib.parse import parse_qs

from faults import FAULTS, Peer, Request, answer
from received import Received

MAX_BODY = 64 * 1024


class FaultRp:
    """Routes requests: `/fault/NAME/...` misbehaves, `/control` changes how, `/received` tells what came.

    With `forward_to`, the base URL of a real RP, whatever is well (`ok`) is passed on to that RP, whose status is the answer: a
    gateway that fails until it is repaired. `refused` is bound and does not listen, until `/control/listen`.
    """

    def __init__(self, forward_to: str | None, refused: socket.socket | None) -> None:
        self._forward_to = forward_to
        self._refused = refused
        self._changed: dict[str, str] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self.servers: list[asyncio.Server] = []
        self.received = Received()

    async def listen(self, bound: socket.socket) -> None:
        """Serve connections that come to a socket."""
        self.servers.append(await asyncio.start_server(self._serve_connection, sock=bound, backlog=1024))

    def close(self) -> None:
        """Accept no more, and break off what is open."""
        for server in self.servers:
            server.close()
        for task in self._connections:
            task.cancel()

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # What is no HTTP, or a peer that has gone, ends the connection and nothing else.
            with contextlib.suppress(OSError, EOFError, ValueError, IndexError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._serve(await read_request(reader), reader, writer)
                    await writer.drain()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not request.path.startswith("/fault/"):
            writer.write(await self._command(request))
            return
        name = self._fault_at(request.path)
        if name not in FAULTS:
            writer.write(answer("404 Not Found", b"no such fault\n"))
            return
        self.received.add(request, name)
        if name == "ok" and self._forward_to is not None:
            writer.write(await asyncio.to_thread(forward, self._forward_to, request))
        else:
            await FAULTS[name](Peer(request, reader, writer))

    def _fault_at(self, path: str) -> str:
        # That of the longest prefix which was changed, else the one that the path names itself.
        parts = path.split("/")
        for end in range(len(parts), 1, -1) if self._changed else ():
            if (changed := self._changed.get("/".join(parts[:end]))) is not None:
                return changed
        return parts[2]

    async def _command(self, request: Request) -> bytes:
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        prefix = query.get("path", "/fault").rstrip("/")
        match request.method, request.path:
            case "GET", "/":
                return answer("200 OK", b"A fault RP. Its faults: " + ", ".join(FAULTS).encode() + b"\n", Content_Type="text/plain")
            case "GET", "/received":
                return _json(self.received.requests(prefix))
            case "GET", "/received/summary":
                return _json(self.received.summary(prefix))
            case "DELETE", "/received":
                self.received.clear()
                return answer("204 No Content")
            case "POST", "/control" if query.get("as") in FAULTS:
                self._changed[prefix] = query["as"]
                return answer("204 No Content")
            case "DELETE", "/control":
                self._changed.clear()
                return answer("204 No Content")
            case "POST", "/control/listen" if self._refused is not None:
                await self.listen(self._refused)
                self._refused = None
                return answer("204 No Content")
        return answer("404 Not Found", b"no such command\n")


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request with its body; raises when the peer has gone or speaks no HTTP."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    fields = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY:
        raise ValueError("too large a body")
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, await reader.readexactly(length))


def forward(base_url: str, request: Request) -> bytes:
    """Pass a request on to a real RP, without the `/fault/NAME` before its path; the answer has that RP's status."""
    path = "/" + request.path.split("/", 3)[3] if request.path.count("/") > 2 else "/"
    onward = urllib.request.Request(base_url.rstrip("/") + path, request.body, method=request.method)
    onward.add_header("Content-Type", request.headers.get("content-type", "application/octet-stream"))
    try:
        with urllib.request.urlopen(onward, timeout=5) as response:
            return answer(f"{response.status} {response.reason}")
    except urllib.error.HTTPError as err:
        return answer(f"{err.code} {err.reason}")
    except OSError:
        return answer("502 Bad Gateway")


def _json(value: object) -> bytes:
    return answer("200 OK", json.dumps(value).encode(), Content_Type="application/json")


def bound_socket(port: int) -> socket.socket:
    """A socket of 127.0.0.1 that nobody else can have; connections to it are refused until somebody listens."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


async def serve(options: argparse.Namespace, bound: socket.socket, refused: socket.socket | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    rp = FaultRp(options.forward_to, refused)
    await rp.listen(bound)
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    await asked_to_stop.wait()
    rp.close()


def main() -> int:
    """Run the command line; 1 when a port is taken."""
    parser = argparse.ArgumentParser(description="An RP that misbehaves on demand at its logout URIs.")
    parser.add_argument("--port", type=int, default=8086)
    parser.add_argument("--refused-port", type=int, help="a port that is held and refuses connections, until POST /control/listen")
    parser.add_argument("--forward-to", help="base URL of a real RP to which whatever is `ok` is passed on")
    options = parser.parse_args()
    try:
        bound = bound_socket(options.port)
        refused = None if options.refused_port is None else bound_socket(options.refused_port)
    except OSError as err:
        print(f"the fault RP cannot have its port: {err}", file=sys.stderr)
        return 1
    asyncio.run(serve(options, bound, refused))
    return 0


if __name__ == "__main__":
    sys.exit(main())

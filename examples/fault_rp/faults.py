"""What an RP can do wrong at its logout URIs: one coroutine per fault, given the request and the connection to misbehave on."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

SLOW_BYTE_S = 1.0
ENDLESS_CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


@dataclass(frozen=True)
class Request:
    """One HTTP request, read whole. `path` is without the query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Peer:
    """Who asked, and the connection to misbehave on."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Fault = Callable[[Peer], Awaitable[None]]


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Give a whole HTTP answer; `Retry_After="5"` is a header."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}Cache-Control: no-store\r\n\r\n".encode("latin-1") + body


def answering(status: str, body: bytes = b"", **headers: str) -> Fault:
    """Give the fault that always answers the same."""
    whole = answer(status, body, **headers)

    async def give(peer: Peer) -> None:
        peer.writer.write(whole)

    return give


async def hang(peer: Peer) -> None:
    """Take the request, never answer; over when the peer gives up."""
    await peer.reader.read()


async def close(peer: Peer) -> None:
    """Close the connection without an answer."""
    peer.writer.close()


async def reset(peer: Peer) -> None:
    """Break the connection off: the peer sees a reset."""
    connection: socket.socket = peer.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


async def cut(peer: Peer) -> None:
    """Close in the middle of the answer."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    peer.writer.close()


async def slow_headers(peer: Peer) -> None:
    """One byte a second: every single read is in time, the answer is not."""
    for byte in answer("200 OK"):
        peer.writer.write(bytes((byte,)))
        await peer.writer.drain()
        await asyncio.sleep(SLOW_BYTE_S)


async def endless_body(peer: Peer) -> None:
    """A body without end, as fast as the peer reads."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.writer.write(ENDLESS_CHUNK)
        await peer.writer.drain()


async def retry_after(peer: Peer) -> None:
    """429 with `Retry-After: 2`, or what `?retry_after=` says."""
    name, _, value = peer.request.query.partition("=")
    wanted = value if name == "retry_after" and value.isalnum() else "2"
    peer.writer.write(answer("429 Too Many Requests", Retry_After=wanted))


FAULTS: Mapping[str, Fault] = {
    "ok": answering("200 OK"),
    "no-content": answering("204 No Content"),
    "hang": hang,
    "400": answering(
        "400 Bad Request", b'{"error": "invalid_request", "error_description": "this RP refuses all"}', Content_Type="application/json"
    ),
    "400-html": answering("400 Bad Request", b"<!DOCTYPE html><h1>Bad request</h1>", Content_Type="application/json"),
    "429": retry_after,
    "500": answering("500 Internal Server Error", b"<h1>Traceback</h1>", Content_Type="text/html"),
    "503": answering("503 Service Unavailable", Content_Type="text/plain"),
    "close": close,
    "reset": reset,
    "cut": cut,
    "redirect": answering("302 Found", Location="/fault/ok/redirected"),
    "slow-headers": slow_headers,
    "endless-body": endless_body,
}

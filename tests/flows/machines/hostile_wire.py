"""Bytes that are no HTTP, or that two servers could read differently: each is answered once, refused or not at all."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
SMUGGLED_ANSWER = b'"live"'
"""What stands in an answer when `SMUGGLED`, the second request of `ambiguous`, was answered."""

_LENGTHS = [
    b"Content-Length: 0\r\nContent-Length: 48",
    b"Content-Length: 48\r\nContent-Length: 0",
    b"Content-Length: 0, 0",
    b"Content-Length: +0",
    b"Content-Length: -0",
    b"Content-Length: 0x0",
    b"Content-Length: 00_0",
    b"Content-Length:\t",
    b"Content-Length: 0\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 48",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: ",
    b"Transfer-Encoding: \x0bchunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"Content-Length : 0",
    b"Content\x00-Length: 0",
    b" Content-Length: 0",
]


def ambiguous(chance: Random) -> bytes:
    """A request whose end is a matter of opinion, with a second one in its body."""
    method = chance.choice([b"POST", b"GET", b"PUT"])
    path = chance.choice([b"/token", b"/login", b"/authorization", b"/", b"/registration", b"/nothing"])
    head = method + b" " + path + b" HTTP/1.1\r\n" + _HOST + chance.choice(_LENGTHS) + b"\r\n"
    body = chance.choice([b"", b"0\r\n\r\n", b"5\r\na=b&c\r\n0\r\n\r\n"])
    return head + b"\r\n" + body + SMUGGLED


def damaged(chance: Random, good: bytes) -> bytes:
    """A good request with some of its bytes changed, taken away or doubled."""
    data = bytearray(good)
    for _ in range(chance.choice([1, 1, 2, 5, 30])):
        at = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] = chance.choice(b"\x00\r\n :\t/\\%\xff\x7f")
        elif kind == 1:
            del data[at : at + chance.choice([1, 1, 4, 40])]
        elif kind == 2:
            data[at:at] = chance.choice([b"\r\n", b"\n", b"\r", b"\x00", b" ", b": ", b"%", b"\xff", b"\r\n\r\n", b"A" * 40_000])
        elif kind == 3:
            data[at:at] = data[at : at + chance.choice([1, 10, 200])]
        else:
            data[at] ^= 1 << chance.randrange(8)
        if not data:
            data += b"\r\n"
    return bytes(data)


def noise(chance: Random) -> bytes:
    """Bytes that are no request at all."""
    makers: list[Callable[[], bytes]] = [
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500),
        lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50),
        lambda: chance.randbytes(chance.choice([1, 100, 10_000])),
        lambda: b"\r\n" * chance.choice([1, 2, 20_000]),
        lambda: (
            b"GET / HTTP/"
            + chance.choice([b"1.2", b"0.9", b"2.0", b"1", b"x.y", b"1.1.1", b"9" * 1000, b"-1.1"])
            + b"\r\n"
            + _HOST
            + b"\r\n"
        ),
        lambda: b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % number for number in range(5_000)) + b"\r\n",
        lambda: b"GET / HTTP/1.1\r\n" + b"X" * 40_000 + b": y\r\n\r\n",
        lambda: b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
        lambda: b"A" * 100_000,
        lambda: b"*1\r\n$4\r\nINFO\r\n",
        lambda: b"EHLO x\r\nMAIL FROM:<x>\r\n",
        lambda: b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n" + _HOST + b"\r\n",
        lambda: (
            b"GET / HTTP/1.1\r\nHost: " + chance.choice([b"", b"a b", b"\xff", b"a\r\nHost: b", b"<x>", b"[::1", b"a" * 5000]) + b"\r\n\r\n"
        ),
    ]
    return chance.choice(makers)()


WAYS: list[Callable[[Random, bytes], bytes]] = [
    lambda chance, _: ambiguous(chance),
    damaged,
    damaged,
    lambda chance, _: noise(chance),
]
"""What to make of a good request."""

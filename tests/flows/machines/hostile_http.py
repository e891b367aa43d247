"""A client on a bare socket that believes nothing: an answer must be one well-formed HTTP/1.1 message with nothing after it."""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections.abc import Iterator

from tests.wsgi_browser import Answer

_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]*")
_HEADER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([\x20-\x7e\xa0-\xff]*)")
_MOST = 4 * 1024 * 1024


class BadAnswer(Exception):
    """What came back is no well-formed answer, more than one, or none."""


class Wire:
    """One connection, opened anew where the server has closed it."""

    def __init__(self, port: int, timeout_s: float = 60) -> None:
        self._address = ("127.0.0.1", port)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._received = b""

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._received = None, b""

    def exchange(self, data: bytes, method: str) -> Answer:
        """Send one request, return the answer.

        Raises: BadAnswer: it is none that a server may give.
        """
        if self._socket is not None and (self._received or select.select([self._socket], [], [], 0)[0]):
            closed = not self._receive()
            unasked = self._received
            self.close()
            if unasked or not closed:
                raise BadAnswer(f"an answer that nobody asked for: {unasked[:200]!r}")
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=self._timeout_s)
        with contextlib.suppress(OSError):  # refused in the middle; the refusal may be there to read
            self._socket.sendall(data)
        try:
            answer, closes = self._read(method)
        except (OSError, BadAnswer) as err:
            self.close()
            raise BadAnswer(str(err) or type(err).__name__) from err
        if closes:
            self.close()
        return answer

    def answers_until_closed(self, data: bytes) -> list[Answer]:
        """Send bytes and no more on a connection of their own, return every answer until the server closes it.

        Raises: BadAnswer: one of them is none.
        """
        self.close()
        self._socket = socket.create_connection(self._address, timeout=self._timeout_s)
        with contextlib.suppress(OSError):
            self._socket.sendall(data)
            self._socket.shutdown(socket.SHUT_WR)
        answers = []
        try:
            while self._received or self._receive():
                answers.append(self._read("GET")[0])
        except OSError as err:
            raise BadAnswer(str(err) or type(err).__name__) from err
        finally:
            self.close()
        return answers

    def _receive(self) -> bool:
        """Read what there is; False at the end."""
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._received += data
        if len(self._received) > _MOST:
            raise BadAnswer("an endless answer")
        return bool(data)

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            if not self._receive():
                raise BadAnswer(f"the connection was closed within an answer: {self._received[:200]!r}")
        found, _, self._received = self._received.partition(end)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._received) < length:
            if not self._receive():
                raise BadAnswer("the connection was closed within a body")
        found, self._received = self._received[:length], self._received[length:]
        return found

    def _read(self, method: str) -> tuple[Answer, bool]:
        while True:
            status, headers = _head(self._until(b"\r\n\r\n"))
            if status != 100:
                break
        answer = Answer(status, headers, b"")
        lengths, codings = answer.all("Content-Length"), answer.all("Transfer-Encoding")
        if len(lengths) > 1 or (lengths and codings):
            raise BadAnswer(f"an answer of no clear length: {headers}")
        is_refused_unread = status >= 400 and answer.all("Content-Type") == ["text/plain"]
        closes = is_refused_unread or "close" in (value.lower() for value in answer.all("Connection"))
        if method == "HEAD" or status in (204, 304):
            pass
        elif lengths:
            answer.body = self._exactly(int(lengths[0]))
        elif codings == ["chunked"]:
            answer.body = b"".join(self._chunks())
        elif closes:
            while self._receive():
                pass
            answer.body, self._received = self._received, b""
        else:
            raise BadAnswer(f"an answer of no length: {headers}")
        return answer, closes

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self._until(b"\r\n"), 16):
            yield self._exactly(length)
            self._until(b"\r\n")
        self._until(b"\r\n")


def _head(data: bytes) -> tuple[int, list[tuple[str, str]]]:
    first, *lines = data.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BadAnswer(f"no status line: {first[:200]!r}")
    headers = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise BadAnswer(f"no header: {line[:200]!r}")
        headers.append((header[1].decode(), header[2].decode("latin-1")))
    return int(status[1]), headers

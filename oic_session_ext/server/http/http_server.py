"""The HTTP server under CherryPy, made strict: what a proxy in front could read differently is refused and its connection closed.

Two parties that disagree where a request ends let one person's request be answered to another (request smuggling).
"""

from __future__ import annotations

import re
import socket
from typing import Any

from cheroot.server import HeaderReader
from cherrypy._cpwsgi_server import CPWSGIHTTPRequest, CPWSGIServer

from ...errors import ConfigError
from ..config.listen import ListenSettings
from .connection_manager import ArrivingConnection, ConnectionManager

_SOFTWARE = "oic-session-ext"
_ONCE = frozenset({b"Content-Length", b"Content-Type", b"Host", b"Authorization", b"Origin"})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class _StrictHeaderReader(HeaderReader):
    """Reads headers as RFC 9112, 5 has them, where cheroot lets pass what others read differently.

    Leaves out names with an underscore: in WSGI `X_Forwarded_For` would pass for the proxy's own `X-Forwarded-For`. Leaves out `Expect`:
    the body has arrived already.
    """

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        """Return the headers by name, those that come more than once joined. Raises: ValueError: they are none, or ambiguous."""
        headers = {} if hdict is None else hdict
        while (line := rfile.readline()) != b"\r\n":
            name, colon, value = line.partition(b":")
            if not line.endswith(b"\r\n"):
                raise ValueError("A header line must end in CRLF.")
            if not colon or not _NAME.fullmatch(name):  # a line that goes the last one on, or a blank before the colon, too (MUST)
                raise ValueError("Illegal header line.")
            name, value = name.title(), value[:-2].strip(b" \t")
            if _CONTROL.search(value):
                raise ValueError("Illegal header value.")
            if b"_" in name or name == b"Expect":
                continue
            if name in headers:
                if name in _ONCE:
                    raise ValueError("A header came more than once.")
                value = headers[name] + (b"; " if name == b"Cookie" else b", ") + value
            headers[name] = value
        return headers


class StrictRequest(CPWSGIHTTPRequest):  # type: ignore[misc]
    """One request as cheroot reads it, with the checks that it leaves out."""

    header_reader = _StrictHeaderReader()

    def read_request_line(self) -> bool:
        """Read the first line; False when it was refused."""
        try:
            if not super().read_request_line():
                return False
        except ValueError:  # a URL that cannot be parsed, which cheroot answers 500
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if self.uri.startswith(b"//"):  # a path to a proxy, which may close some; a host and a path to cheroot
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if self.request_protocol not in (b"HTTP/1.0", b"HTTP/1.1"):  # cheroot takes "HTTP/ +1.1", on which CherryPy breaks
            self.simple_response("400 Bad Request", "Malformed Request-Line: bad version")
            return False
        return True

    def read_request_headers(self) -> bool:
        """Read the headers; False when they were refused, after which the connection is closed."""
        if not super().read_request_headers():
            return False
        if b"Transfer-Encoding" in self.inheaders:  # its body would be left unread and taken for the next request
            self.simple_response("411 Length Required", "The length of the body must be said.")
            return False
        if not self.inheaders.get(b"Content-Length", b"0").isdigit():
            self.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            return False
        if int(self.inheaders.get(b"Content-Length", b"0")) > len(self.conn.rfile.waiting()):  # cut short, by whoever is on the way too
            self.simple_response("400 Bad Request", "The body is not as long as was said.")
            return False
        return True


class StrictConnection(ArrivingConnection):
    """A connection whose requests are read strictly."""

    RequestHandlerClass = StrictRequest


class StrictServer(CPWSGIServer):  # type: ignore[misc]
    """CherryPy's server with strict connections, on a socket that other processes may accept from too.

    Its `Server` header tells neither versions nor the address listened on.
    """

    ConnectionClass = StrictConnection

    def __init__(self, adapter: Any, listening: socket.socket) -> None:
        super().__init__(adapter)
        StrictConnection.RequestHandlerClass = StrictRequest  # CPWSGIServer sets its own
        self.server_name = _SOFTWARE
        self.bind_addr = listening.getsockname()[:2]
        self._listening = listening

    def bind(self, *_: Any) -> socket.socket:
        """Take the socket that is bound already."""
        self.socket = self._listening
        return self._listening

    def prepare(self) -> None:
        """Begin to listen."""
        super().prepare()
        # one connection wakes every process and one gets it; the others must not wait for the next, with their own left alone
        self.socket.setblocking(False)
        self._connections.close()  # cheroot's own, which has none yet
        self._connections: Any = ConnectionManager(self)


def bind_listening_socket(listen: ListenSettings) -> socket.socket:
    """Return a socket that is bound to the address to listen on; nobody can connect before a server is prepared on it.

    Raises: ConfigError: no address of that name can be listened on.
    """
    problem = "no such address"
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as err:
        found, problem = [], str(err.strerror)
    for family, kind, protocol, _, address in found:
        try:
            bound: socket.socket = StrictServer.prepare_socket(address, family, kind, protocol, nodelay=True, ssl_adapter=None)
        except OSError as err:
            problem = str(err.strerror)
            continue
        try:
            bound.bind(address)
            return bound
        except OSError as err:
            bound.close()
            problem = str(err.strerror)
    raise ConfigError("listen", f"{listen.host} port {listen.port} cannot be listened on: {problem}")

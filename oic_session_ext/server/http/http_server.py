"""A strict HTTP server for CherryPy: ambiguous requests, which a proxy may parse differently, are refused and disconnected.

If a proxy and a server disagree on where a request ends, one user's response can reach another user (request smuggling).
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
    """Reads headers strictly by RFC 9112, 5; cheroot accepts headers that others parse differently.

    Ignores names with an underscore: in WSGI `X_Forwarded_For` would look like the proxy's own `X-Forwarded-For`. Ignores
    `Expect`, because the body has arrived already.
    """

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        """Return the headers by name, repeated ones joined. Raises: ValueError: they are malformed or ambiguous."""
        headers = {} if hdict is None else hdict
        while (line := rfile.readline()) != b"\r\n":
            name, colon, value = line.partition(b":")
            if not line.endswith(b"\r\n"):
                raise ValueError("A header line must end in CRLF.")
            if not colon or not _NAME.fullmatch(name):  # includes continuation lines and a blank before the colon (MUST)
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
    """A request that cheroot reads, with the checks that cheroot lacks."""

    header_reader = _StrictHeaderReader()

    def read_request_line(self) -> bool:
        """Read the first line; return False if it was refused."""
        try:
            if not super().read_request_line():
                return False
        except ValueError:  # a URL that cannot be parsed, for which cheroot would return 500
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if self.uri.startswith(b"//"):  # a proxy reads a path and may restrict it; cheroot reads a host and a path
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if self.request_protocol not in (b"HTTP/1.0", b"HTTP/1.1"):  # cheroot accepts "HTTP/ +1.1", with which CherryPy fails
            self.simple_response("400 Bad Request", "Malformed Request-Line: bad version")
            return False
        return True

    def read_request_headers(self) -> bool:
        """Read the headers; return False if they were refused, after which the connection is closed."""
        if not super().read_request_headers():
            return False
        if b"Transfer-Encoding" in self.inheaders:  # its body would stay unread and be parsed as the next request
            self.simple_response("411 Length Required", "The request must have a Content-Length.")
            return False
        if not self.inheaders.get(b"Content-Length", b"0").isdigit():
            self.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            return False
        if int(self.inheaders.get(b"Content-Length", b"0")) > len(self.conn.rfile.waiting()):  # truncated by the client or a proxy
            self.simple_response("400 Bad Request", "The body is shorter than its Content-Length.")
            return False
        return True


class StrictConnection(ArrivingConnection):
    """A connection whose requests are read strictly."""

    RequestHandlerClass = StrictRequest


class StrictServer(CPWSGIServer):  # type: ignore[misc]
    """CherryPy's server with strict connections, on a socket from which other processes may accept too.

    Its `Server` header has neither versions nor the listening address.
    """

    ConnectionClass = StrictConnection

    def __init__(self, adapter: Any, listening: socket.socket) -> None:
        super().__init__(adapter)
        StrictConnection.RequestHandlerClass = StrictRequest  # CPWSGIServer sets its own
        self.server_name = _SOFTWARE
        self.bind_addr = listening.getsockname()[:2]
        self._listening = listening

    def bind(self, *_: Any) -> socket.socket:
        """Use the socket that is bound already."""
        self.socket = self._listening
        return self._listening

    def prepare(self) -> None:
        """Start to listen."""
        super().prepare()
        # one connection wakes every process, and one process gets it; the others must not block in accept
        self.socket.setblocking(False)
        self._connections.close()  # cheroot's own manager, which has no connections yet
        self._connections: Any = ConnectionManager(self)


def bind_listening_socket(listen: ListenSettings) -> socket.socket:
    """Return a socket that is bound to the listening address; clients cannot connect before a server is prepared on it.

    Raises: ConfigError: the server cannot listen on any address of that name.
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

"""A request as parts that can be spoilt one by one, and its bytes."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes, unquote

from tests.flows.machines.hostile_values import Value
from tests.wsgi_browser import FORM

Pairs = list[tuple[Value, Value]]

ENDPOINTS = {
    "/": "page",
    "/authorization": "page",
    "/login": "page",
    "/consent": "page",
    "/end_session": "page",
    "/check_session": "iframe",
    "/check_session_status": "json",
    "/token": "json",
    "/userinfo": "json",
    "/revocation": "json",
    "/introspection": "json",
    "/session_status": "json",
    "/registration": "json",
    "/.well-known/openid-configuration": "public",
    "/jwks.json": "public",
    "/metrics": "json",
    "/health/live": "json",
    "/health/ready": "json",
}
"""Every path, and what kind of answer it gives (`public`: JSON that caches may keep); assets lie below `/session_assets/`."""


@dataclass
class Request:
    """One request. `form`, `json` and `body` exclude each other; `encoding` says which characters of parameters are percent-encoded."""

    method: str
    path: str
    query: Pairs = field(default_factory=list)
    form: Pairs | None = None
    json: Any = None
    body: bytes | None = None
    headers: list[tuple[str, Value]] = field(default_factory=list)
    cookies: list[tuple[Value, Value]] = field(default_factory=list)
    encoding: str = "usual"
    is_spoilt: bool = False

    @property
    def endpoint(self) -> str:
        """The endpoint that answers it."""
        target = self.path if self.method == "OPTIONS" else re.sub(r"^http://[^/]*", "", self.path)
        path = "%2F".join(unquote(part) for part in re.split("%2[fF]", target.partition("?")[0]))
        if path in ENDPOINTS:
            return path
        return "/session_assets/" if path.startswith("/session_assets/") else "another path"

    @property
    def kind(self) -> str:
        """What kind of answer it gets."""
        return ENDPOINTS.get(self.endpoint, "page")

    def copy(self) -> Request:
        """A copy that may be spoilt."""
        return copy.deepcopy(self)

    def parameters(self, name: str) -> list[Value]:
        """The values of a parameter, wherever it stands."""
        return [value for key, value in [*self.query, *(self.form or [])] if key == name]

    def header(self, name: str) -> list[Value]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def encode(self, host: str) -> bytes:
        """Its bytes on the wire."""
        target = _bytes(self.path)
        if self.query:
            target += b"?" + self._encoded(self.query)
        body, content_type = self._body()
        headers = [("Host", host), *self.headers] if not self.header("Host") else list(self.headers)
        if self.cookies:
            headers.append(("Cookie", b"; ".join(_bytes(name) + b"=" + _bytes(value) for name, value in self.cookies)))
        if content_type and not self.header("Content-Type"):
            headers.append(("Content-Type", content_type))
        if (body or self.method in ("POST", "PUT", "PATCH")) and not self.header("Content-Length") and not self.header("Transfer-Encoding"):
            headers.append(("Content-Length", str(len(body))))
        # bytes that would end a line are for those who damage whole requests: here they would make it two
        head = b"".join(_bytes(name) + b": " + re.sub(rb"[\r\n]", b" ", _bytes(value)) + b"\r\n" for name, value in headers)
        return _bytes(self.method) + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body

    def _body(self) -> tuple[bytes, str]:
        if self.body is not None:
            return self.body, ""
        if self.form is not None:
            return self._encoded(self.form), FORM
        if self.json is not None:
            return json.dumps(self.json).encode(), "application/json"
        return b"", ""

    def _encoded(self, pairs: Pairs) -> bytes:
        return b"&".join(self._escaped(name) + b"=" + self._escaped(value) for name, value in pairs)

    def _escaped(self, value: Value) -> bytes:
        raw = _bytes(value)
        if self.encoding == "all":
            return b"".join(b"%%%02x" % byte for byte in raw)
        if self.encoding == "least":  # what ends a parameter, a line or a request is left out of it alone
            return b"".join(b"%%%02X" % byte if byte in b" &=#+%\r\n\x00" else bytes([byte]) for byte in raw)
        return quote_from_bytes(raw, safe="").replace("%20", "+").encode()


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")

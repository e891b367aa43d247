"""Strict-Transport-Security for an https issuer: after the first visit, browsers use TLS only (RFC 6797)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_HEADER = ("Strict-Transport-Security", "max-age=31536000")
"""For one year. Without subdomains, because other applications may run there."""


def with_strict_transport_security(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return the application with the header on every response."""

    def strict(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, _HEADER], exc_info)

        return application(environ, start)

    return strict

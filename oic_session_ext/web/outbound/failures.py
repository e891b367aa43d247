"""Why a request to another server has no response."""

from __future__ import annotations

from ...errors import SessionExtError


class RequestFailed(SessionExtError):
    """The server did not respond; `problem` is a short code such as `timeout`, `connect_refused`, `dns`, `tls`, `address_refused`."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class RequestRefused(RequestFailed):
    """The request was not sent, to protect other requests. `problem` is one of the constants below."""


BUSY = "busy"
"""Too many requests to this host, or to all hosts, are under way."""

BREAKER_OPEN = "breaker_open"
"""The host failed several times in a row; requests to it pause."""

WAITING_THREADS = "waiting_threads"
"""Too many threads wait for other servers."""

CONNECTION_PROBLEMS = frozenset({"dns", "connect_timeout", "connect_refused", "connect_failed", "tls"})
"""Failures to make a connection: they concern every URI of the host."""

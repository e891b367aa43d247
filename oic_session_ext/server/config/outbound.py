"""The section `outbound` of the YAML file: limits on requests to clients' servers, so that a slow one does not delay others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StrictInt

from ...settings import OutboundSettings
from ...validation import Problem
from .types import Count, Duration, SettingsSection

_LONGEST_TIMEOUT_S = 60


class OutboundSection(SettingsSection):
    """Fetches from clients' servers: keys (`jwks_uri`), request objects (`request_uri`), sector identifiers.

    `logout.backchannel` has the allowed networks and the certificates.
    """

    timeout_s: Duration = 5
    """How long one fetch may take in total, from the name look-up to the end of the body; 60s at most."""

    max_waiting_threads: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    """How many threads of a process may wait for clients' servers at the same time: for fetches, and the same number for the RPs of
    logouts. Without it a quarter of `listen.threads`. If a request would exceed the limit, the response is 503,
    `temporarily_unavailable`; a logout that would exceed it does not wait, and its page polls for the result."""

    max_concurrency: Annotated[StrictInt, Field(ge=1, le=10000)] = 64
    """How many fetches one process makes concurrently; further ones are refused."""

    max_concurrency_per_host: Annotated[StrictInt, Field(ge=1, le=1000)] = 8
    """How many fetches one process makes concurrently at one host."""

    breaker_failures: Count = 3
    """The number of consecutive failed fetches after which fetches from a host are paused, that is, refused at once."""

    breaker_first_pause_s: Duration = 10
    """How long the first pause of a host lasts; each further one is twice as long."""

    breaker_max_pause_s: Duration = 300
    """The longest pause of a host."""

    lookup_threads: Annotated[StrictInt, Field(ge=4, le=1000)] = 64
    """How many host names one process looks up concurrently, each in a thread. A quarter of the threads is reserved for names that were
    resolved before."""

    lookup_cache_s: Duration = 30
    """How long the addresses of a host name are cached; an hour at most."""

    def waiting_threads(self, threads: int) -> int:
        """Return the number of a process's threads that may wait for clients' servers."""
        return self.max_waiting_threads or max(1, threads // 4)

    def outbound_settings(self, threads: int) -> OutboundSettings:
        """Return the extension's settings; `threads` is the number of threads that handle requests."""
        return OutboundSettings(**self.model_dump() | {"max_waiting_threads": self.waiting_threads(threads)})

    def problems(self) -> Iterator[Problem]:
        """Yield values that are out of bounds."""
        if self.timeout_s > _LONGEST_TIMEOUT_S:
            yield ("timeout",), f"must be at most {_LONGEST_TIMEOUT_S}s"
        if self.lookup_cache_s > 3600:
            yield ("lookup_cache",), "must be at most 1h"

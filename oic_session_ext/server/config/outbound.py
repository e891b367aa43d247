"""The settings file's section on requests to clients' servers: limits, so that a slow server delays only those who need it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StrictInt

from ...settings import OutboundSettings
from ...validation import Problem
from .types import Count, Duration, SettingsSection

_LONGEST_TIMEOUT_S = 60


class OutboundSection(SettingsSection):
    """What the OP fetches from clients' servers: keys (`jwks_uri`), request objects (`request_uri`), sector identifiers.

    Networks and certificates are those of `logout.backchannel`.
    """

    timeout_s: Duration = 5
    """How long one fetch may take as a whole, from the look-up of the name to the end of the body; 60s at most."""

    max_waiting_threads: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    """How many threads of a process may wait for clients' servers at the same time: for fetches, and as many again for the RPs of a logout.
    Without it a quarter of `listen.threads`. A request that needs a further one is answered with 503, `temporarily_unavailable`; a further
    logout does not wait, and its page asks again."""

    max_concurrency: Annotated[StrictInt, Field(ge=1, le=10000)] = 64
    """How many fetches one process makes at a time; a further one is refused."""

    max_concurrency_per_host: Annotated[StrictInt, Field(ge=1, le=1000)] = 8
    """How many fetches one process makes at a time at one host."""

    breaker_failures: Count = 3
    """After so many failed fetches in a row a host pauses: fetches from it are refused at once."""

    breaker_first_pause_s: Duration = 10
    """How long the first pause of a host lasts; each further one is twice as long."""

    breaker_max_pause_s: Duration = 300
    """The longest pause of a host."""

    lookup_threads: Annotated[StrictInt, Field(ge=4, le=1000)] = 64
    """How many host names one process looks up at a time, each in a thread. A quarter of the threads is reserved for names that resolved
    before."""

    lookup_cache_s: Duration = 30
    """For how long the addresses of a host name are used again; an hour at most."""

    def waiting_threads(self, threads: int) -> int:
        """Return how many of a process's threads may wait."""
        return self.max_waiting_threads or max(1, threads // 4)

    def outbound_settings(self, threads: int) -> OutboundSettings:
        """Return the extension's share of the settings; `threads` is how many answer requests."""
        return OutboundSettings(**self.model_dump() | {"max_waiting_threads": self.waiting_threads(threads)})

    def problems(self) -> Iterator[Problem]:
        """Yield what is out of bounds."""
        if self.timeout_s > _LONGEST_TIMEOUT_S:
            yield ("timeout",), f"must be at most {_LONGEST_TIMEOUT_S}s"
        if self.lookup_cache_s > 3600:
            yield ("lookup_cache",), "must be at most 1h"

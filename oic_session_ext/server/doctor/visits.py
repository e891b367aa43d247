"""HTTP requests of the diagnosis, and a check of this machine's clock by their responses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_network
from types import MappingProxyType

from ...settings import OutboundSettings
from ...web.address_guard import AddressGuard
from ...web.outbound.failures import RequestFailed
from ...web.outbound.outbound import Outbound
from .finding import Finding, Severity

_TIMEOUT_S = 5
_SKEW_S = 10
_EVERYWHERE = AddressGuard([ip_network("0.0.0.0/0"), ip_network("::/0")])


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: `headers` by names in lower case, repeated ones joined; `body` has at most 64 KiB."""

    status: int
    headers: MappingProxyType[str, str]
    body: bytes


class NotReached(Exception):
    """There was no response; the message has the reason."""


@dataclass
class Visits:
    """Sends GET requests without redirects and without proxy. `ca_file`: CA certificates; None for those of the system."""

    ca_file: str | None = None
    clock: Callable[[], float] = time.time
    _skews_s: list[float] = field(default_factory=list)

    def get(self, uri: str) -> Answer:
        """Return the response. Raises: NotReached: none came within a few seconds, or the certificate is not accepted."""
        try:
            response = self._outbound.result_of(self._outbound.fetch(uri, "*/*"))
        except (RequestFailed, OSError) as err:
            raise NotReached(_reason(err)) from err
        self._record_skew(response.headers.get("date", ""))
        return Answer(response.status, MappingProxyType(dict(response.headers)), response.body)

    @cached_property
    def _outbound(self) -> Outbound:
        never = OutboundSettings(timeout_s=_TIMEOUT_S, breaker_failures=1_000_000)
        return Outbound(_EVERYWHERE, never, ca_file=self.ca_file)

    def examine_clock(self) -> Iterator[Finding]:
        """Yield a problem if this machine's clock differs from those of the servers that responded."""
        if self._skews_s and abs(skew_s := statistics.median(self._skews_s)) > _SKEW_S:
            yield Finding(
                Severity.PROBLEM,
                "clock",
                f"of this machine is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the clocks of the servers that responded",
                "Clients refuse ID Tokens and Logout Tokens as not yet valid or too old; codes and sessions expire early or late.",
                "Synchronise it with NTP.",
            )

    def _record_skew(self, date: str) -> None:
        try:
            self._skews_s.append(self.clock() - parsedate_to_datetime(date).timestamp())
        except (ValueError, OverflowError):
            return


def _reason(err: Exception) -> str:
    """Return the problem with its innermost cause."""
    cause: BaseException = err
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    text = "" if cause is err else f" ({type(cause).__name__}: {cause})"
    return f"{err}{text}"[:200]

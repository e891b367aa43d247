"""Visits over the network, with what their answers tell of this machine's clock."""

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
    """An answer: `headers` by names in lower case, a repeated one joined; `body` has at most 64 KiB."""

    status: int
    headers: MappingProxyType[str, str]
    body: bytes


class NotReached(Exception):
    """There was no answer; the message says why."""


@dataclass
class Visits:
    """Gets pages, follows no redirect, uses no proxy. `ca_file`: the certificates to check by, None for those of the system."""

    ca_file: str | None = None
    clock: Callable[[], float] = time.time
    _skews_s: list[float] = field(default_factory=list)

    def get(self, uri: str) -> Answer:
        """Return the answer. Raises: NotReached: there is none within a few seconds, or its certificate is not accepted."""
        try:
            response = self._outbound.result_of(self._outbound.fetch(uri, "*/*"))
        except (RequestFailed, OSError) as err:
            raise NotReached(_reason(err)) from err
        self._note_clock(response.headers.get("date", ""))
        return Answer(response.status, MappingProxyType(dict(response.headers)), response.body)

    @cached_property
    def _outbound(self) -> Outbound:
        never = OutboundSettings(timeout_s=_TIMEOUT_S, breaker_failures=1_000_000)
        return Outbound(_EVERYWHERE, never, ca_file=self.ca_file)

    def examine_clock(self) -> Iterator[Finding]:
        """Yield when this machine's clock is not that of the others who were visited."""
        if self._skews_s and abs(skew_s := statistics.median(self._skews_s)) > _SKEW_S:
            yield Finding(
                Severity.PROBLEM,
                "clock",
                f"of this machine is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} that of those who were visited",
                "Clients refuse ID Tokens and Logout Tokens as not yet valid or too old; codes and sessions run out early or late.",
                "Have it set by NTP.",
            )

    def _note_clock(self, date: str) -> None:
        try:
            self._skews_s.append(self.clock() - parsedate_to_datetime(date).timestamp())
        except (ValueError, OverflowError):
            return


def _reason(err: Exception) -> str:
    """Return the problem, and its innermost cause in a few words."""
    cause: BaseException = err
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    text = "" if cause is err else f" ({type(cause).__name__}: {cause})"
    return f"{err}{text}"[:200]

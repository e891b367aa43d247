"""Visits over the network, with what their answers tell of this machine's clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import requests
from urllib3.exceptions import HTTPError

from .finding import Finding, Severity

_TIMEOUT_S = 5
_MOST_BYTES = 65536
_SKEW_S = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `headers` by names in lower case, a repeated one joined; at most 64 KiB of the body."""

    status: int
    headers: MappingProxyType[str, str]
    body: bytes


class NotReached(Exception):
    """There was no answer; the message says why."""


@dataclass
class Visits:
    """Gets pages, follows no redirect, takes no proxy. `ca_file`: the certificates to check by, None for those of the system."""

    ca_file: str | None = None
    clock: Callable[[], float] = time.time
    _skews_s: list[float] = field(default_factory=list)

    def get(self, uri: str) -> Answer:
        """Return the answer. Raises: NotReached: there is none within a few seconds, or its certificate is not good."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                with session.get(uri, timeout=_TIMEOUT_S, allow_redirects=False, stream=True, verify=self.ca_file or True) as response:
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    body = response.raw.read(_MOST_BYTES, decode_content=True)
            except (requests.RequestException, HTTPError, ValueError, OSError) as err:  # HTTPError: of the body
                raise NotReached(_reason(err)) from err
        self._note_clock(headers.get("date", ""))
        return Answer(response.status_code, MappingProxyType(headers), body)

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
    """Return the innermost cause in a few words."""
    cause: BaseException = err
    while (inner := cause.__context__ or cause.__cause__) is not None:
        cause = inner
    return f"{type(cause).__name__}: {cause}"[:200]

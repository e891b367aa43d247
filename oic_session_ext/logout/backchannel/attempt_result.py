"""What an RP's answer to a logout notice means: told, not told for now, or not to be told again (OIDCBCL-2.5, -2.8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_MAY_PASS = frozenset({408, 425, 429})
_WITH_RETRY_AFTER = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The end of one attempt.

    `problem` is a short code, "" if the RP was notified. `is_recoverable` is whether a later attempt may succeed; `retry_after_s` is how
    long the RP asks to wait, 0 if it does not ask.
    """

    problem: str = ""
    is_recoverable: bool = False
    retry_after_s: int = 0

    @property
    def is_delivered(self) -> bool:
        """Return whether the RP has accepted the token."""
        return not self.problem


DELIVERED = AttemptResult()


def result_of_response(status: int, retry_after: str, now: int) -> AttemptResult:
    """Return the result of a status code. Every 2xx is a success, 204 too, which some frameworks put in place of 200.

    A 400 is the RP's last word, and so is every other 4xx but 408, 425 and 429: the same request again would be retransmission
    without a reason (OIDCBCL-2.5). A redirect is not followed and not tried again: the registered URI is wrong.
    """
    if 200 <= status < 300:
        return DELIVERED
    if status < 500 and status not in _MAY_PASS:
        return AttemptResult(f"http_{status}")
    return AttemptResult(f"http_{status}", True, _seconds_of(retry_after, now) if status in _WITH_RETRY_AFTER else 0)


def result_of_failure(problem: str) -> AttemptResult:
    """Return the result of an attempt without a response: all of it may pass, but for an address that the OP must not be sent to."""
    return AttemptResult(problem, is_recoverable=problem != "address_refused")


def _seconds_of(retry_after: str, now: int) -> int:
    """Return the seconds that a Retry-After header asks for, 0 when it is missing, malformed or past (RFC 9110, 10.2.3)."""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
        return max(0, int(at.replace(tzinfo=at.tzinfo or UTC).timestamp()) - now)
    except (ValueError, OverflowError):
        return 0

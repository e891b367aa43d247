"""How often a password may be guessed: by user name and address, by address, and by user name, on all servers together.

A browser in which the user has signed in before has a limit of its own, so that guesses of others never lock the user out there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ...clock import Clock
from ...cluster.attempt_limit import AttemptLimit, Limit, Reservation
from ...errors import StoreError
from ...store.base import Store
from ...web.ip_address import rate_limit_key
from ..config.login import ThrottleSettings
from ..config.user import normalize_username

_LEASE_S = 30
"""For how long a password check may take; a server that stops in the middle of one keeps its places no longer."""

logger = logging.getLogger("oic_session_ext")


class SignInAttempt:
    """One attempt to sign in.

    `closed_for_s` is for how many seconds it is refused, because there were too many failures; 0 if the password may be checked.
    """

    def __init__(self, closed_for_s: int) -> None:
        self.closed_for_s = closed_for_s
        self.has_failed = False
        self.has_succeeded = False

    def note_failure(self) -> None:
        """Let the attempt count: the name or the password was wrong."""
        self.has_failed = True

    def note_success(self) -> None:
        """Forget earlier failures of this name from this address too."""
        self.has_succeeded = True


class LoginThrottle:
    """Limits failed sign-ins; an attempt that does not fail takes up its places only while it lasts."""

    def __init__(self, store: Store, settings: ThrottleSettings, clock: Clock) -> None:
        self._limit = AttemptLimit(store, "failed_sign_ins", settings.window_s, clock)
        self._settings = settings

    @contextmanager
    def attempt(self, username: str, address: str, known_browser: str | None = None) -> Iterator[SignInAttempt]:
        """Give an attempt before the password is checked; it counts if `note_failure` was called before it ends.

        `known_browser` is the id of a browser in which this user has signed in before, None for any other browser.

        Raises: StoreError: the limits cannot be looked up; nothing is checked then.
        """
        reserved = self._limit.reserve(self._limits(normalize_username(username), rate_limit_key(address), known_browser), _LEASE_S)
        if not isinstance(reserved, Reservation):
            yield SignInAttempt(reserved)
            return
        attempt = SignInAttempt(0)
        try:
            yield attempt
        finally:
            if attempt.has_failed:
                self._limit.count(*reserved.places)
            else:
                self._release(*reserved.places, *(reserved.others if attempt.has_succeeded else ()))

    def _release(self, *places: str) -> None:
        try:
            self._limit.release(*places)
        except StoreError as err:  # the places are free again when their window is over
            logger.warning("sign-in: an attempt that did not fail counts until its window is over: %s", err)

    def _limits(self, username: str, address: str, known_browser: str | None) -> list[Limit]:
        settings = self._settings
        if known_browser is not None:
            return [Limit(f"known browser\n{known_browser}\n{username}", settings.max_attempts)]
        return [
            Limit(f"both\n{address}\n{username}", settings.max_attempts),
            Limit(f"address\n{address}", settings.max_attempts_per_address),
            Limit(f"user\n{username}", settings.max_attempts_per_name),
        ]

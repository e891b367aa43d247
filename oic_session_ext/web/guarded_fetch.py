"""Fetches a small document from an address that a client has registered: its keys, its sector's redirect URIs, its request objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from ..errors import SessionExtError, TemporarilyUnavailable
from .address_guard import AddressGuard
from .outbound.failures import BREAKER_OPEN, RequestFailed, RequestRefused
from .outbound.http_answer import HttpAnswer
from .outbound.outbound import Outbound
from .uri import fetched_problem

_JSON = "application/json"


class FetchFailed(SessionExtError):
    """The document is not available; the message gives the reason and may be shown to the client."""


class FetchRefused(FetchFailed, TemporarilyUnavailable):
    """The document was not fetched, to protect other requests; the same request may succeed in some seconds (503)."""


class GuardedFetch:
    """Gets documents within the deadline and the limits of `outbound`, from addresses that `guard` allows.

    `timeout_s` is a shorter deadline than that of `outbound`, None for the same.
    """

    def __init__(self, outbound: Outbound, guard: AddressGuard, *, timeout_s: float | None = None) -> None:
        self._outbound = outbound
        self._guard = guard
        self._timeout_s = timeout_s

    def json(self, uri: str) -> Any:
        """Return a JSON document. Raises: FetchFailed: refused, not there, too slow, too large, or not JSON."""
        return parse_json(self._fetch(uri, _JSON))

    def ascii(self, uri: str, accept: str) -> str:
        """Return a text in ASCII; `accept` are the media types asked for. Raises: FetchFailed: as `json`, or not ASCII."""
        try:
            return body_of(self._fetch(uri, accept)).decode("ascii")
        except UnicodeDecodeError as err:
            raise FetchFailed("is not ASCII") from err

    def begin(self, uri: str, accept: str = _JSON) -> Future[HttpAnswer]:
        """Start to fetch a document in the background, or join its fetch under way. Raises: FetchFailed: the request is refused."""
        if problem := fetched_problem(uri) or self._guard.refuses_uri(uri):
            raise FetchFailed(problem)
        with _failures():
            return self._outbound.fetch(uri, accept, self._timeout_s)

    @contextmanager
    def place_to_wait(self, uri: str) -> Iterator[None]:
        """Count this thread as waiting during the block. Raises: FetchRefused: too many threads wait already."""
        with _failures(), self._outbound.place_to_wait(uri):
            yield

    def result_of(self, future: Future[HttpAnswer], timeout_s: float | None = None) -> HttpAnswer:
        """Wait for a document, for `timeout_s` at most, None for the whole deadline; in a `place_to_wait`. Raises: FetchFailed."""
        with _failures():
            return self._outbound.result_of(future, timeout_s)

    def _fetch(self, uri: str, accept: str) -> HttpAnswer:
        with self.place_to_wait(uri):
            return self.result_of(self.begin(uri, accept))


def body_of(answer: HttpAnswer) -> bytes:
    """Return the body of a successful response. Raises: FetchFailed: it is another one; a redirect, too, since it could lead anywhere."""
    if answer.status != 200:
        raise FetchFailed("does not answer with 200 OK")
    return answer.body


def parse_json(answer: HttpAnswer) -> Any:
    """Return the JSON document of a response. Raises: FetchFailed: there is none."""
    try:
        return json.loads(body_of(answer))
    except (ValueError, RecursionError) as err:
        raise FetchFailed("is not JSON") from err


@contextmanager
def _failures() -> Iterator[None]:
    """Translate the failures of requests."""
    try:
        yield
    except RequestFailed as err:
        if isinstance(err, RequestRefused) and err.problem != BREAKER_OPEN:
            raise FetchRefused("cannot be fetched now: too much is being fetched") from err
        if err.problem == "too_large":
            raise FetchFailed("is too large") from err
        raise FetchFailed("could not be fetched") from err  # no more: a reason would reveal what answers in our network

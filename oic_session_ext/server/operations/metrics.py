"""Prometheus metrics at `/metrics`: counts of this server's events, and of the notices in the store.

With several processes behind one address, `PROMETHEUS_MULTIPROC_DIR` names the folder in which they add their counts up; `serve`
sets it for its own workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from oic.utils.http_util import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from ...clock import Clock
from ...errors import InvalidToken, StoreError
from ...events import (
    BreakerClosed,
    BreakerOpened,
    Event,
    FrontchannelAsked,
    NoticeDeferred,
    NoticeDelivered,
    NoticeUndeliverable,
    RequestToHostRefused,
    SessionBegan,
    SessionEnded,
)
from ...model import NoticeState
from ...provider import WebRequest
from ...provider.request.responses import NO_SNIFF, RawResponse
from ...store.base import Store
from ..config.operations import MetricsSettings

_LATENCIES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400)
_LOOKED_AT = 1000
_MOST_CLIENTS = 1000
_MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The metrics: `listen` is a listener for `Hooks` that counts events, `answer` is the route for Prometheus."""

    def __init__(self, settings: MetricsSettings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._notices = _Notices(store, clock)
        self._clients: set[str] = set()
        registry = self._registry = CollectorRegistry()
        self._began = Counter("oic_sessions_began", "OP sessions that began", registry=registry)
        self._ended = Counter("oic_sessions_ended", "OP sessions that ended, by reason", ["reason"], registry=registry)
        self._frontchannel = Counter(
            "oic_frontchannel_asked", "Front-channel logouts handed to a browser", ["client_id"], registry=registry
        )
        self._delivered = Counter("oic_notices_delivered", "Logout notices that an RP has answered", ["client_id"], registry=registry)
        self._put_off = Counter("oic_notices_put_off", "Attempts that failed and are repeated", ["client_id", "problem"], registry=registry)
        self._given_up = Counter(
            "oic_notices_given_up", "Logout notices that became undeliverable", ["client_id", "problem"], registry=registry
        )
        self._latency = Histogram(
            "oic_notice_latency_seconds", "From the end of a session to the RP's answer", buckets=_LATENCIES_S, registry=registry
        )
        self._outbound_refused = Counter(
            "oic_outbound_refused", "Requests to other servers that were not sent, by reason", ["problem"], registry=registry
        )
        help_text = "1 while requests to an RP are paused because it keeps failing"
        self._breaker = Gauge("oic_breaker_open", help_text, ["client_id"], registry=registry, multiprocess_mode="livemax")

    def listen(self, event: Event) -> None:  # noqa: C901 - a case for each event
        """Count an event."""
        match event:
            case SessionBegan():
                self._began.inc()
            case SessionEnded(_, reason, notices):
                self._ended.labels(reason.value).inc()
                for notice in notices:
                    if notice.state is NoticeState.UNDELIVERABLE:
                        self._given_up.labels(self._client_label(notice.client_id), notice.problem).inc()
            case FrontchannelAsked(_, client_ids):
                for client_id in client_ids:
                    self._frontchannel.labels(self._client_label(client_id)).inc()
            case NoticeDelivered(notice, latency_s):
                self._delivered.labels(self._client_label(notice.client_id)).inc()
                self._latency.observe(latency_s)
            case NoticeDeferred(notice):
                self._put_off.labels(self._client_label(notice.client_id), notice.problem).inc()
            case NoticeUndeliverable(notice):
                self._given_up.labels(self._client_label(notice.client_id), notice.problem).inc()
            case BreakerOpened(client_id):
                self._breaker.labels(self._client_label(client_id)).set(1)
            case BreakerClosed(client_id):
                self._breaker.labels(self._client_label(client_id)).set(0)
            case RequestToHostRefused(_, problem):  # by problem only: clients choose the hosts
                self._outbound_refused.labels(problem).inc()

    def _client_label(self, client_id: str) -> str:
        """Return the label of a client: its id for the first thousand, else "others", because the number of clients is unbounded."""
        if client_id not in self._clients and len(self._clients) < _MOST_CLIENTS:
            self._clients.add(client_id)
        return client_id if client_id in self._clients else "others"

    def answer(self, request: WebRequest) -> Response:
        """Return the metrics to a request with the access token.

        Raises: InvalidToken: the request does not have it (401).
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._settings.is_access_token(token.strip()):
            raise InvalidToken("the metrics need their access token")
        body = self._counts() + generate_latest(self._notices)
        return RawResponse(body, 200, [("Content-Type", CONTENT_TYPE_LATEST), NO_SNIFF, ("Cache-Control", "no-store")])

    def _counts(self) -> bytes:
        folder = os.environ.get(_MULTIPROCESS_FOLDER)
        if folder is None:
            return generate_latest(self._registry)
        for pid in _pids_of(Path(folder)):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid)  # removes its gauges of circuit breakers; its counts stay
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)


def _pids_of(folder: Path) -> set[int]:
    """Return the ids of the processes that have gauges in this folder."""
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}


class _Notices(CollectorRegistry):
    """The notices in the store at this moment: the same for every server of the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__()
        self.register(_NoticeCollector(store, clock))


class _NoticeCollector(Collector):
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("oic_store_up", "1 when the store answers")
        try:
            counts, pending = self._store.notice_counts(), self._store.notices(_LOOKED_AT, state=NoticeState.PENDING)
        except StoreError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        kept = GaugeMetricFamily("oic_notices", "Logout notices in the store, by state", labels=["state"])
        for state in NoticeState:
            kept.add_metric([state.value], counts.get(state, 0))
        yield kept
        oldest = max((self._clock() - notice.ended_at for notice in pending), default=0)
        yield GaugeMetricFamily("oic_notices_pending_oldest_seconds", f"Age of the oldest of the {_LOOKED_AT} next due", value=oldest)

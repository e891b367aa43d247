"""Delivery without threads, sockets or time: a store in memory, a clock that stands still, and RPs that answer as a test says."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oic_session_ext.events import Event, Hooks
from oic_session_ext.logout.backchannel.attempt_result import DELIVERED, AttemptResult
from oic_session_ext.logout.backchannel.circuit_breaker import Prepared
from oic_session_ext.logout.backchannel.notice_worker import DeliveryParts, NoticeWorker
from oic_session_ext.logout.backchannel.scheduler import Scheduler
from oic_session_ext.model import LogoutNotice, NoticeState
from oic_session_ext.settings import DeliverySettings
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import EndOpSession, PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.examples import example_notice, example_op_session
from oic_session_ext.testing.fake_clock import FakeClock

DOWN = AttemptResult("connect_refused", is_recoverable=True)


class Clients:
    """A client registry in which everybody has a back channel."""

    def get(self, client_id: str) -> Any:
        return {"backchannel_logout_uri": f"https://{client_id}.example.org/logout"}


class Signer:
    """Gives tokens that name themselves by their `jti`, in the shape of JWTs; keeps what they say."""

    def __init__(self) -> None:
        self.signed: list[Mapping[str, Any]] = []

    def sign_logout_token(self, claims: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        self.signed.append(claims)
        return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "test"}, claims)) + "."


@dataclass
class Simulation:
    """One delivering process. `answers` says what an RP makes of a notice; each attempt takes one step."""

    settings: DeliverySettings = field(default_factory=DeliverySettings)
    store: Store = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    clients: Any = field(default_factory=Clients)
    answers: Callable[[LogoutNotice], AttemptResult] = lambda _: DELIVERED
    jitter: float = 0.0
    keys: Any = None

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        self.sent: list[LogoutNotice] = []
        self.at: list[int] = []
        self.widest: dict[str, int] = {}
        self.signer = Signer()
        self.flights: list[Prepared] = []
        self.dispatch = Scheduler(self.settings, self.clock, lambda: self.jitter)
        parts = DeliveryParts(
            self.store,
            self.clients,
            self.signer,
            self.settings,
            "https://op.example.org",
            self.clock,
            Hooks(self.events.append),
            keys=self.keys,
        )
        self.worker = NoticeWorker(parts, self.dispatch, self.pump)

    def add(self, count: int, client_id: str = "rp-a", prefix: str = "n", **fields: Any) -> list[LogoutNotice]:
        """Record notices whose sessions ended one second after the other, the last of them now."""
        now = self.clock.now
        notices = []
        for i in range(count):
            ended_at = fields.get("ended_at", now - count + 1 + i)
            one = {"client_id": client_id, "due_at": now, **fields, "ended_at": ended_at}
            notices.append(example_notice(f"{prefix}-{client_id}-{i}", **one))
        session = example_op_session(f"{prefix}-{client_id}")
        self.store.commit([PutOpSession(session), EndOpSession(session, notices)])
        return notices

    def pump(self, client_id: str) -> None:
        while (prepared := self.dispatch.take(client_id)) is not None:
            if self.dispatch.is_leased(prepared):
                self.flights.append(prepared)
            else:
                self.dispatch.let_go(prepared)
        width = sum(prepared.notice.client_id == client_id for prepared in self.flights)
        self.widest[client_id] = max(width, self.widest.get(client_id, 0))

    def step(self) -> None:
        """Lease, answer what was under way, record."""
        self.worker.offer_awaited()
        self.worker.lease()
        flights, self.flights = self.flights, []
        for prepared in flights:
            self.sent.append(prepared.notice)
            self.at.append(self.clock.now)
            self.worker.note(self.dispatch.finish(prepared, self.answers(prepared.notice)))
            self.pump(prepared.notice.client_id)
        self.worker.record()

    def run(self, seconds: int) -> None:
        """Let time pass, one step a second."""
        for _ in range(seconds):
            self.step()
            self.clock.advance(1)

    def told(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def kept(self, state: NoticeState = NoticeState.PENDING) -> list[LogoutNotice]:
        return self.store.notices(10_000, state=state)

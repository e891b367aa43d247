"""What a shared engine keeps is what the memory engine keeps, whatever a few sessions, grants and clients go through, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar, get_args

import pytest
from sqlalchemy import create_engine, delete, func, select

from oic_session_ext.errors import Conflict
from oic_session_ext.model import Client, Consent, OpSession
from oic_session_ext.store.base import GrantAttribute, Store
from oic_session_ext.store.changes import (
    AddRpSession,
    Change,
    DeleteClient,
    DeleteGrant,
    EndOpSession,
    PutClient,
    PutConsent,
    PutGrant,
    PutOpSession,
    TouchOpSession,
    UpdateClient,
    UpdateGrant,
    UpdateOpSession,
)
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.redis.engine import open_redis_store
from oic_session_ext.store.sql.sqlite import open_sqlite_store
from oic_session_ext.store.sql.tables import metadata
from oic_session_ext.testing.examples import NOW, example_grant, example_op_session, example_rp_session
from tests.store.redis_server import RedisServer, redis_server  # noqa: F401 -- fixtures among them

SESSIONS, RPS, GRANTS = ("one", "two"), ("rp-a", "rp-b"), ("1", "2", "3", "4")
ORIGINS = ("https://a.example", "https://b.example")

T = TypeVar("T")


class Engine(NamedTuple):
    """A store; `empty` removes all that is in it, `size` tells how many rows or keys that is."""

    store: Store
    empty: Callable[[], Any]
    size: Callable[[], int]


@pytest.fixture(params=["redis", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        with closing(open_redis_store(server.url)) as redis:
            yield Engine(redis, server.admin.flushall, server.admin.dbsize)
        return
    database = create_engine(f"sqlite:///{tmp_path / 'op.sqlite'}")

    def empty() -> None:
        with database.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))

    def size() -> int:
        with database.begin() as connection:
            return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in metadata.sorted_tables)

    with closing(open_sqlite_store(tmp_path / "op.sqlite")) as store:
        yield Engine(store, empty, size)
    database.dispose()


class Walk:
    """Changes made by chance. The memory engine makes each as it comes, the other one several of them in one commit."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.memory = MemoryStore()
        self.chance = Random(seed)
        self.changes: list[Change] = []
        self.now = NOW
        self.history: list[object] = [f"walk {seed}"]
        self.steps: dict[Callable[[], Change], int] = {
            self.put_op_session: 4,
            self.add_rp_session: 2,
            self.update_op_session: 1,
            self.touch_op_session: 1,
            self.end_op_session: 2,
            self.put_grant: 8,
            self.update_grant: 6,
            self.delete_grant: 1,
            self.put_client: 1,
            self.update_client: 2,
            self.delete_client: 1,
            self.put_consent: 1,
        }
        engine.empty()

    def go(self, commits: int) -> None:
        """Make changes in so many commits, with some time between them; then end and delete everything, and see that nothing is left."""
        for _ in range(commits):
            for step in self.chance.choices(list(self.steps), list(self.steps.values()), k=self.a((2, 5, 9, 12))):
                self.make(step())
            self.commit()
            if self.happens(0.3):
                self.sweep()
            self.now += self.chance.choice([0, 0, 1, 3])
        for session in self.memory.op_sessions_of_user("alice"):
            self.make(EndOpSession(session, keeps_offline=self.happens(0.5)))
        self.commit()
        for grant in GRANTS:
            self.make(DeleteGrant(f"grant-{grant}"))
        for rp in RPS:
            self.make(DeleteClient(rp))
        self.commit()
        assert self.engine.size() == 0, self.history

    def make(self, change: Change) -> None:
        try:
            self.memory.commit([change])
        except Conflict:
            if self.happens(0.1):
                self.history.append(("refused", change))
                with pytest.raises(Conflict):
                    self.engine.store.commit([*self.changes, change])
        else:
            self.changes.append(change)

    def commit(self) -> None:
        changes, self.changes = self.changes, []
        self.history.append((self.now, changes))
        self.engine.store.commit(changes)
        self.compare()

    def sweep(self) -> None:
        self.history.append("sweep")
        for store in (self.engine.store, self.memory):
            store.sweep(self.now, 10)
        self.compare()

    # --- changes, most of them such as can be made

    def put_op_session(self) -> Change:
        name = self.a(SESSIONS)
        shares = tuple(example_rp_session(name, rp) for rp in RPS if self.happens(0.5))
        return PutOpSession(example_op_session(name, created_at=self.now, expires_at=self.an_end(), rp_sessions=shares))

    def add_rp_session(self) -> Change:
        name = self.a(SESSIONS)
        return AddRpSession(f"id-{name}", example_rp_session(name, self.a(RPS)))

    def update_op_session(self) -> Change:
        return UpdateOpSession(replace(self.op_session(), cookie_digest=f"cookie-{self.a(SESSIONS)}", idle_expires_at=self.an_end()))

    def touch_op_session(self) -> Change:
        return TouchOpSession(f"id-{self.a(SESSIONS)}", self.now, self.an_end())

    def end_op_session(self) -> Change:
        return EndOpSession(self.op_session(), keeps_offline=self.happens(0.5))

    def op_session(self) -> OpSession:
        name = self.a(SESSIONS)
        known = self.memory.op_session(f"id-{name}") or example_op_session(name)
        return replace(known, version=known.version - self.happens(0.1))

    def put_grant(self) -> Change:
        """Put a grant without a session, or one of an RP session in it, as the contract wants it."""
        name, rp = self.a(SESSIONS), self.a(RPS)
        share, is_alone = example_rp_session(name, rp), self.happens(0.1)
        if not is_alone and self.memory.op_session(f"id-{name}"):
            self.make(AddRpSession(f"id-{name}", share))
        place = {"client_id": rp, "sub": share.sub, "sid": share.sid, "op_session_id": None if is_alone else f"id-{name}"}
        return PutGrant(example_grant(self.a(GRANTS), **place, **self.fields_of_a_grant(), created_at=self.now))

    def update_grant(self) -> Change:
        name = self.a(GRANTS)
        known = self.memory.grant(f"grant-{name}") or example_grant(name)
        place = None if self.happens(0.1) else known.op_session_id
        version = known.version - self.happens(0.1)
        return UpdateGrant(replace(known, op_session_id=place, version=version, **self.fields_of_a_grant()))

    def fields_of_a_grant(self) -> dict[str, Any]:
        return {"expires_at": self.an_end(), "is_offline": self.happens(0.7), "refresh_digest": self.a(("digest", None))}

    def delete_grant(self) -> Change:
        return DeleteGrant(f"grant-{self.a(GRANTS)}")

    def put_client(self) -> Change:
        return PutClient(self.client())

    def update_client(self) -> Change:
        return UpdateClient(self.client())

    def client(self) -> Client:
        origins = frozenset(origin for origin in ORIGINS if self.happens(0.5))
        return Client(self.a(RPS), {"client_name": self.a(("A", "B"))}, origins)

    def delete_client(self) -> Change:
        return DeleteClient(self.a(RPS))

    def put_consent(self) -> Change:
        return PutConsent(Consent("alice", self.a(RPS), frozenset({"openid"}), self.now))

    # --- chance

    def a(self, values: Sequence[T]) -> T:
        return self.chance.choice(values)

    def happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def an_end(self) -> int:
        return self.now + self.a((-1, 0, 1, 2, 50))

    # --- what both tell

    def compare(self) -> None:
        for grant in GRANTS:
            self.level(f"grant-{grant}")
        assert self.told_by(self.engine.store) == self.told_by(self.memory), self.history

    def level(self, grant_id: str) -> None:
        """Forget a grant that only one of them has: an engine may remove expired ones of a session when it likes, and others by a sweep."""
        mine, oracles = self.engine.store.grant(grant_id), self.memory.grant(grant_id)
        if (mine is None) == (oracles is None):
            return
        for left in filter(None, (mine, oracles)):
            assert left.expires_at <= self.now, self.history
        assert mine is None or mine.op_session_id is not None, self.history
        for store in (self.engine.store, self.memory):
            store.commit([DeleteGrant(grant_id)])

    def told_by(self, store: Store) -> dict[str, Any]:
        attributes: dict[GrantAttribute, list[str]] = {
            "uid": ["alice"],
            "sub": [f"alice-at-{rp}" for rp in RPS],
            "sid": [f"sid-{name}-{rp}" for name in SESSIONS for rp in RPS],
            "client_id": [*RPS],
            "op_session_id": [f"id-{name}" for name in SESSIONS],
        }
        assert set(attributes) == set(get_args(GrantAttribute))
        return {
            "sessions": [store.op_session(f"id-{name}") for name in SESSIONS],
            "by cookie": [store.op_session_by_cookie(f"cookie-{name}") for name in SESSIONS],
            "by sid": [store.op_session_id_of_sid(sid) for sid in attributes["sid"]],
            "the user's": store.op_sessions_of_user("alice"),
            "the clients'": [store.list_op_sessions(client_id=rp, limit=9) for rp in RPS],
            "due": sorted(session.id for session in store.due_op_sessions(self.now, 9)),
            "grants": [store.grant(f"grant-{grant}") for grant in GRANTS],
            "grant ids": {
                (name, value): sorted(store.grant_ids(name, value, 9)) for name, values in attributes.items() for value in values
            },
            "clients": [store.client(rp) for rp in store.client_ids()],
            "consents": [store.consent("alice", rp) for rp in RPS],
            "origins": [store.is_client_origin(origin) for origin in ORIGINS],
        }


def test_engines_agree(engine: Engine) -> None:
    for seed in range(40):
        Walk(engine, seed).go(10)

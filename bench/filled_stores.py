"""Stores of each engine with any number of OP sessions, each with two RPs and a grant, as after a real sign-in.

Stores are filled by commits of many sessions. PostgreSQL and Redis (appendfsync always) are servers that the run starts on this
machine, with default settings.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oic_session_ext.crypto.record_id import new_record_id
from oic_session_ext.model import Grant, OpSession, RpSession
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import Change, PutGrant, PutOpSession
from tests.store.postgresql_server import PostgresqlServer, postgresql_or_skip
from tests.store.redis_server import DURABLE, running_redis

RPS = ("rp-a", "rp-b")
SETTINGS = SessionManagementSettings()
FILL_BATCH = {"sqlite": 5000, "postgresql": 2000, "redis": 500, "memory": 5000}


@dataclass(frozen=True)
class Place:
    """The URL of a store, and measurements of its database server.

    `cpu_s` returns the CPU seconds that it has used, `size` its bytes; `settle` waits for its background work.
    """

    url: str
    cpu_s: Callable[[], float] = lambda: 0.0
    size: Callable[[], int] = lambda: 0
    settle: Callable[[], None] = lambda: None


@dataclass
class Filled:
    """A store with `sessions` sessions; `cookies` are the digests of the browsers' cookies, for initial sessions their numbers."""

    sessions: int
    store: Store
    place: Place
    cookies: list[int | str]
    fill_s: float
    bytes_each: float


# -- what is in a store -----------------------------------------------------------------------------------------------


ROW: Mapping[str, Any] = {  # the data of a grant after a sign-in and the redemption of its code
    "oauth_state": "token",
    "code_used": True,
    "authzreq": '{"client_id": "rp-a", "redirect_uri": "https://rp-a.example.com/callback", "response_type": "code", "scope": "openid",'
    ' "state": "Vr2RXD6Hb5bzTYKfP0_ixQ", "nonce": "FjbG3D2Aq1y3cJX6QkVY5w",'
    ' "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",'
    ' "code_challenge_method": "S256"}',
    "response_type": ["code"],
    "revoked": False,
    "authn_event": '{"uid": "user-1000000", "salt": "", "authn_time": 1700000000, "valid_until": 1700003600,'
    ' "authn_info": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}',
    "nonce": "FjbG3D2Aq1y3cJX6QkVY5w",
    "redirect_uri": "https://rp-a.example.com/callback",
    "state": "Vr2RXD6Hb5bzTYKfP0_ixQ",
    "scope": ["openid"],
    "permission": "",
    "access_token_scope": "?",
    "token_type": "Bearer",
}


def digest(number: int) -> str:
    """Return the cookie digest of an initial session; as random as a real one."""
    return hashlib.sha256(f"cookie {number}".encode()).hexdigest()


def session_of(number: int, now: int) -> OpSession:
    """Return an initial session."""
    name = hashlib.sha256(f"session {number}".encode()).hexdigest()
    shares = tuple(
        RpSession(
            hashlib.sha256(f"{rp} {number}".encode()).hexdigest()[:32], rp, hashlib.sha256(f"user-{number}".encode()).hexdigest(), now
        )
        for rp in RPS
    )
    return OpSession(
        id=new_record_id(now),
        cookie_digest=digest(number),
        uid=f"user-{number}",
        auth_time=now,
        acr="urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        op_browser_state=name[:43],
        sid_seed=name[-43:],
        created_at=now,
        last_active_at=now,
        idle_expires_at=now + SETTINGS.idle_timeout_s,
        expires_at=now + SETTINGS.absolute_timeout_s,
        rp_sessions=shares,
    )


def grant_of(session: OpSession, rp: RpSession, now: int) -> Grant:
    """Return a new grant of an RP session, as after the redemption of its code."""
    lifetime_s = SETTINGS.code_lifetime_s + SETTINGS.access_token_lifetime_s
    data = {**ROW, "client_id": rp.client_id, "sub": rp.sub, "sid": rp.sid}
    return Grant(new_record_id(now), rp.client_id, session.uid, rp.sub, session.id, rp.sid, data, now, now + lifetime_s)


def fill(store: Store, number: int, batch: int) -> None:
    """Store a number of sessions and their grants in an empty store, in commits of `batch`."""
    now = int(time.time())
    for first in range(0, number, batch):
        changes: list[Change] = []
        for session in (session_of(each, now) for each in range(first, min(number, first + batch))):
            changes.append(PutOpSession(session))
            changes += [PutGrant(grant_of(session, rp, now)) for rp in session.rp_sessions]
        store.commit(changes)


# -- where stores are -------------------------------------------------------------------------------------------------


def cpu_s_of(tasks: Sequence[int | str]) -> float:
    """Return the CPU time that tasks have used, to the nanosecond: a process's main thread, or `PID/task/TID`."""
    return sum(int(Path(f"/proc/{task}/schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def places(engine: str, folder: Path) -> Iterator[Callable[[int], Place]]:
    """Yield a function that creates a place for another store."""
    with ExitStack() as stack:
        if engine == "postgresql":
            servers = postgresql_or_skip()
            postgresql = next(servers)
            stack.callback(next, servers, None)
            yield lambda _: _postgresql(postgresql)
        elif engine == "redis":
            yield lambda _: _redis(stack)
        elif engine == "sqlite":
            yield lambda number: _sqlite(folder / f"{number}.sqlite")
        else:
            yield lambda _: Place("memory:", size=_resident_bytes)


def _sqlite(file: Path) -> Place:
    return Place(f"sqlite:///{file}", size=lambda: sum(each.stat().st_size for each in file.parent.glob(f"{file.name}*")))


def _postgresql(server: PostgresqlServer) -> Place:
    database = server.new_database()

    def asked(query: str) -> list[Any]:
        with server.admin("postgres") as connection:
            return [value for (value,) in connection.execute(query.format(database=database))]

    def settle() -> None:
        with server.admin(database) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    return Place(
        server.url(database, query="?pool_size=1"),
        cpu_s=lambda: cpu_s_of(asked("SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")),
        size=lambda: int(asked("SELECT pg_database_size('{database}')")[0]),
        settle=settle,
    )


def _redis(stack: ExitStack) -> Place:
    server = stack.enter_context(running_redis(*DURABLE))

    def settle() -> None:
        # restart the server: memory that large scripts and forks have left in the process is not part of the store
        while server.admin.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.5)
        server.stop()
        server.start(within_s=600)

    return Place(
        server.url, cpu_s=lambda: cpu_s_of([server.pid]), size=lambda: int(server.admin.info("memory")["used_memory"]), settle=settle
    )


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def filled_store(place: Place, sessions: int, batch: int) -> Filled:
    """Fill a store and wait for its background work."""
    store = open_store(place.url)
    before, begun = place.size(), time.monotonic()
    fill(store, sessions, batch)
    took_s = time.monotonic() - begun
    place.settle()
    bytes_each = (place.size() - before) / sessions
    print(f"  {sessions} sessions filled in {took_s:.0f} s, {bytes_each:.0f} bytes each", file=sys.stderr, flush=True)
    return Filled(sessions, store, place, list(range(sessions)), took_s, bytes_each)

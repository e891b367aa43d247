"""Measures what a login, a silent sign-in and a logout cost a store that keeps few OP sessions, and one that keeps very many.

    python -m bench.growth [--sessions 1000 100000 1000000] [--engine sqlite] [--rounds 60] [--seed 1]

For each engine it makes a store of each size, all at once, and goes through them in turns, in an order that changes: so whatever else
the machine does meets all of them alike. Each session has two RPs with a grant each, as a real sign-in leaves them. What is measured are
a new sign-in at one RP, a silent one at the other with an old session, and the end of an old session: old ones are picked at random, so
that nothing of them is at hand. These are the use cases on the store, without HTTP and signatures. Stores are filled by commits of many
sessions. PostgreSQL and Redis (appendfsync always) are servers of this run's own, on this machine, with default settings.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oic_session_ext.model import Grant, OpSession, Reason, RpSession
from oic_session_ext.op_session import begin_op_session, end_op_session, join_rp, use_op_session
from oic_session_ext.opaque_secret import digest_of
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Change, PutGrant, PutOpSession, Store
from oic_session_ext.store.unit_of_work import UnitOfWork
from tests.store.postgresql_server import PostgresqlServer, postgresql_or_skip
from tests.store.redis_server import DURABLE, running_redis

ENGINES = ("sqlite", "postgresql", "redis", "memory")
STEPS = ("login", "sso", "logout")
RPS = ("rp-a", "rp-b")
CLIENTS: Mapping[str, Mapping[str, Any]] = {rp: {"backchannel_logout_uri": f"https://{rp}.example.com/out"} for rp in RPS}
SETTINGS = SessionManagementSettings()
FILL_BATCH = {"sqlite": 5000, "postgresql": 2000, "redis": 500, "memory": 5000}
BATCH = 20


@dataclass(frozen=True)
class Place:
    """Where a store is, and what is asked of its keeper.

    `cpu_s` are the seconds that it has used, `size` the bytes that it takes; `settle` waits for its housekeeping.
    """

    url: str
    cpu_s: Callable[[], float] = lambda: 0.0
    size: Callable[[], int] = lambda: 0
    settle: Callable[[], None] = lambda: None


@dataclass
class Filled:
    """A store with so many sessions; `cookies` are the digests of the browsers' cookies, of the first ones their numbers."""

    sessions: int
    store: Store
    place: Place
    cookies: list[int | str]
    fill_s: float
    bytes_each: float
    wall_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    server_cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


# -- what is in a store -----------------------------------------------------------------------------------------------


ROW: Mapping[str, Any] = {  # what a sign-in has left in a grant whose code is redeemed
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
    """Return the cookie's digest of a session that was filled in; as random as that of a real one."""
    return hashlib.sha256(f"cookie {number}".encode()).hexdigest()


def session_of(number: int, now: int) -> OpSession:
    """Return a session that is filled in."""
    name = hashlib.sha256(f"session {number}".encode()).hexdigest()
    shares = tuple(
        RpSession(
            hashlib.sha256(f"{rp} {number}".encode()).hexdigest()[:32], rp, hashlib.sha256(f"user-{number}".encode()).hexdigest(), now
        )
        for rp in RPS
    )
    return OpSession(
        id=name[:22],
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
    """Return a fresh grant of an RP session, as redeeming its code leaves it."""
    lifetime_s = SETTINGS.code_lifetime_s + SETTINGS.access_token_lifetime_s
    data = {**ROW, "client_id": rp.client_id, "sub": rp.sub, "sid": rp.sid}
    return Grant(secrets.token_urlsafe(32), rp.client_id, session.uid, rp.sub, session.id, rp.sid, data, now, now + lifetime_s)


def fill(store: Store, number: int, batch: int) -> None:
    """Put so many sessions into an empty store, with their grants, by commits of many."""
    now = int(time.time())
    for first in range(0, number, batch):
        changes: list[Change] = []
        for session in (session_of(each, now) for each in range(first, min(number, first + batch))):
            changes.append(PutOpSession(session))
            changes += [PutGrant(grant_of(session, rp, now)) for rp in session.rp_sessions]
        store.commit(changes)


# -- what is measured -------------------------------------------------------------------------------------------------


def login(filled: Filled, _: random.Random) -> None:
    """Sign a new user in at the first RP."""
    uow = UnitOfWork(filled.store, int(time.time()))
    uid = f"user-{secrets.token_hex(8)}"
    session, secret = begin_op_session(uow, uid=uid, acr="pwd", auth_time=uow.now, present=None, settings=SETTINGS, clients=CLIENTS)
    rp = join_rp(uow, session, RPS[0], hashlib.sha256(uid.encode()).hexdigest(), SETTINGS)
    uow.put_grant(grant_of(session, rp, uow.now))
    uow.commit()
    known = digest_of(secret)
    assert known is not None
    filled.cookies.append(known)


def sso(filled: Filled, chance: random.Random) -> None:
    """Sign a user silently in at the second RP, whoever it is."""
    uow = UnitOfWork(filled.store, int(time.time()))
    session = uow.op_session_by_cookie(_text(chance.choice(filled.cookies)))
    assert session is not None
    use_op_session(uow, replace(session, last_active_at=uow.now), SETTINGS)  # noted once a minute: here it is that minute
    rp = join_rp(uow, session, RPS[1], hashlib.sha256(session.uid.encode()).hexdigest(), SETTINGS)
    uow.put_grant(grant_of(session, rp, uow.now))
    uow.commit()


def logout(filled: Filled, chance: random.Random) -> None:
    """Sign a user out, whoever it is."""
    at = chance.randrange(len(filled.cookies))
    filled.cookies[at], filled.cookies[-1] = filled.cookies[-1], filled.cookies[at]
    uow = UnitOfWork(filled.store, int(time.time()))
    session = uow.op_session_by_cookie(_text(filled.cookies.pop()))
    assert session is not None
    end_op_session(uow, session, Reason.RP_INITIATED, CLIENTS, SETTINGS)
    uow.commit()


def _text(cookie: int | str) -> str:
    return cookie if isinstance(cookie, str) else digest(cookie)


_DO: Mapping[str, Callable[[Filled, random.Random], None]] = {"login": login, "sso": sso, "logout": logout}


def measure_batch(filled: Filled, step: str, chance: random.Random) -> None:
    """Take a step a few times in a row; note the time of each, and the CPU time of one on average."""
    server_cpu_s, cpu_s = filled.place.cpu_s(), time.process_time()
    for _ in range(BATCH):
        begun = time.perf_counter()
        _DO[step](filled, chance)
        filled.wall_ms[step].append((time.perf_counter() - begun) * 1000)
    cpu_ms = (time.process_time() - cpu_s) / BATCH * 1000
    server_cpu_ms = (filled.place.cpu_s() - server_cpu_s) / BATCH * 1000
    filled.cpu_ms[step].append(cpu_ms + server_cpu_ms)
    filled.server_cpu_ms[step].append(server_cpu_ms)


# -- where stores are -------------------------------------------------------------------------------------------------


def cpu_s_of(processes: Sequence[int]) -> float:
    """Return the CPU time that processes have used, to the nanosecond."""
    return sum(int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) for process in processes) / 1e9


@contextmanager
def places(engine: str, folder: Path) -> Iterator[Callable[[int], Place]]:
    """Give what makes a place for one more store."""
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
    process = int(server.admin.info("server")["process_id"])

    def settle() -> None:
        while server.admin.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.5)

    return Place(server.url, cpu_s=lambda: cpu_s_of([process]), size=lambda: int(server.admin.info("memory")["used_memory"]), settle=settle)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# -- the run ----------------------------------------------------------------------------------------------------------


def filled_store(place: Place, sessions: int, batch: int) -> Filled:
    """Fill a store and have its keeper settle down."""
    store = open_store(place.url)
    before, begun = place.size(), time.monotonic()
    fill(store, sessions, batch)
    took_s = time.monotonic() - begun
    place.settle()
    bytes_each = (place.size() - before) / sessions
    print(f"  {sessions} sessions filled in {took_s:.0f} s, {bytes_each:.0f} bytes each", file=sys.stderr, flush=True)
    return Filled(sessions, store, place, list(range(sessions)), took_s, bytes_each)


def measure_engine(engine: str, sizes: Sequence[int], rounds: int, chance: random.Random) -> list[Filled]:
    """Fill a store of each size and go through all of them in turns; the first round warms up and does not count."""
    print(engine, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder, places(engine, Path(folder)) as make_place:
        stores = [filled_store(make_place(size), size, FILL_BATCH[engine]) for size in sizes]
        for number in range(rounds + 1):
            for filled in chance.sample(stores, len(stores)):
                for step in STEPS:
                    measure_batch(filled, step, chance)
            if number == 0:
                for filled in stores:
                    for noted in (filled.wall_ms, filled.cpu_ms, filled.server_cpu_ms):
                        noted.clear()
        for filled in stores:
            filled.store.close()
    return stores


def table(engines: Mapping[str, Sequence[Filled]]) -> str:
    """The medians as Markdown, and what the largest store costs more than the smallest."""
    lines = [
        "| engine | sessions | login: ms, CPU ms | sso: ms, CPU ms | logout: ms, CPU ms | the server's CPU | bytes each | filled in |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for engine, stores in engines.items():
        for filled in stores:
            steps = [f"{_median(filled.wall_ms[step])}, {_median(filled.cpu_ms[step])}" for step in STEPS]
            server = ", ".join(_median(filled.server_cpu_ms[step]) for step in STEPS)
            lines.append(
                f"| {engine} | {filled.sessions:,} | {' | '.join(steps)} | {server} | {filled.bytes_each:,.0f} | {filled.fill_s:.0f} s |"
            )
        first, last = stores[0], stores[-1]
        growth = [f"{_growth(first.wall_ms[step], last.wall_ms[step])}, {_growth(first.cpu_ms[step], last.cpu_ms[step])}" for step in STEPS]
        lines.append(f"| {engine} | last to first | {' | '.join(growth)} | | {_growth([first.bytes_each], [last.bytes_each])} | |")
    return "\n".join(lines)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f}"


def _growth(first: Sequence[float], last: Sequence[float]) -> str:
    return f"{(statistics.median(last) / statistics.median(first) - 1) * 100:+.0f} %"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what a store costs with few sessions and with very many.")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="how many OP sessions, smallest first")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="may be given more than once; all of them without it")
    parser.add_argument("--rounds", type=int, default=60, help=f"of {BATCH} logins, silent sign-ins and logouts for each size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-most", type=int, default=100_000, help="how many sessions the memory engine is filled with at most")
    options = parser.parse_args()
    engines = {}
    for engine in options.engine or ENGINES:
        sizes = [size for size in options.sessions if engine != "memory" or size <= options.memory_most]
        engines[engine] = measure_engine(engine, sizes, options.rounds, random.Random(options.seed))  # noqa: S311 -- it picks sessions
    print(f"Medians of {options.rounds} rounds of {BATCH}; a grant's row has {len(json.dumps(ROW))} bytes.\n")
    print(table(engines))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The Redis engine of the store: Redis 7 or later, or Valkey, for several processes and servers.

Each read is one command or one read-only script. Each commit is one script: `lua/commit.lua` verifies every condition
before it writes anything, and Redis runs no other command meanwhile (promise P1).

All keys begin with one hash tag, `{oic}:`, and are therefore in one slot. A script is atomic on one server only, and a
logout changes the session, its RP sessions, its grants, their indexes and the notices. On a cluster the store therefore
uses one shard and must be opened at the server that has the slot.

Keys have no time to live: the caller's clock decides whether a record has expired, and `sweep` removes it. A server that
may evict keys is refused, because it would lose sessions and notices silently. With `appendonly yes` and `appendfsync
always` commits survive a crash and a power cut; otherwise the store opens and logs a warning. Redis replicates after it
has responded, so that after a failover the last commits may be missing.

A dedicated user needs the keys `~{oic}:*` and `+info +ping +select +eval +evalsha +exists +get +set +del +unlink +hget
+hset +hdel +zadd +zrem +zrange +zcount +zcard +zscore`; with `+config|get` the store can verify appendfsync.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ConfigError, Conflict
from ...model import Client, Consent, EphemeralRecord, Grant, LogoutNotice, NoticeState, OpSession
from ..base import GrantAttribute, Store, Swept
from ..changes import Change, ClaimFact
from .changes import arguments
from .connections import Connections, parse_redis_url
from .lua_scripts import CommitScripts, Script, reading_script, writing_script
from .records import (
    RECORDS_VERSION,
    RECORDS_VERSION_FACT,
    ephemeral_key,
    read_client,
    read_consent,
    read_ephemeral,
    read_grant,
    read_notice,
    read_op_session,
)
from .server_checks import check_server

_QUEUES = {NoticeState.PENDING: "np", NoticeState.UNDELIVERABLE: "nu"}


def open_redis_store(url: str) -> RedisStore:
    """Open the store on the server of a URL; see `parse_redis_url` for its form.

    Raises:
        ConfigError: the URL is malformed; the server refuses the user, is too old or may evict keys; or the records are
            of another version.
        StoreUnavailable: the server cannot be reached or written now.
    """
    connections = Connections(parse_redis_url(url))
    store = RedisStore(connections)
    try:
        check_server(connections)
        _check_version(store)
    except BaseException:
        store.close()
        raise
    return store


def _check_version(store: RedisStore) -> None:
    try:
        store.ping()
    except Conflict as err:
        version = store.fact(RECORDS_VERSION_FACT)
        raise ConfigError("store", f"its records have version {version}; this package works with version {RECORDS_VERSION}") from err


class RedisStore(Store):
    """A store in Redis or Valkey; `open_redis_store` makes one."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._commits = CommitScripts()
        self._lease_notices = writing_script("lease_notices", "notices")
        self._sweep = writing_script("sweep", "grants", "notices")
        self._op_session_by_cookie = reading_script("op_session_by_cookie")
        self._op_sessions = reading_script("op_sessions")
        self._list_op_sessions = reading_script("list_op_sessions")
        self._grant_ids = reading_script("grant_ids")
        self._ephemerals = reading_script("ephemerals")
        self._notice = reading_script("notice")
        self._notices = reading_script("notices")

    # --- reads

    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session with its RP sessions (oldest first), or None, in one round trip."""
        found = self._ask(self._op_session_by_cookie, cookie_digest)
        return None if found is None else read_op_session(*found)

    def op_session(self, op_session_id: str) -> OpSession | None:
        """Return the OP session of this id with its RP sessions, or None."""
        record = self._look_up("GET", f"s:{op_session_id}")
        return None if record is None else read_op_session(op_session_id.encode(), record)

    def op_session_id_of_sid(self, sid: str) -> str | None:
        """Return the id of the OP session that has an RP session with this `sid`, or None."""
        return _text(self._look_up("GET", f"i:{sid}"))

    def op_sessions_of_user(self, uid: str) -> list[OpSession]:
        """Return every OP session of a user, oldest first."""
        return _op_sessions(self._ask(self._op_sessions, f"su:{uid}", 0, -1))

    def list_op_sessions(
        self, *, client_id: str | None = None, created_before: int | None = None, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[OpSession]:
        """Return at most `limit` OP sessions, oldest first, for administration."""
        before = "+inf" if created_before is None else f"({created_before}"
        return _op_sessions(self._ask(self._list_op_sessions, "sa" if client_id is None else f"sc:{client_id}", limit, *after, before))

    def due_op_sessions(self, now: int, limit: int) -> list[OpSession]:
        """Return at most `limit` OP sessions that have expired at `now`, earliest expiry first."""
        return _op_sessions(self._ask(self._op_sessions, "sd", "-inf", now, "BYSCORE", "LIMIT", 0, limit))

    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant, expired or not, or None."""
        record = self._look_up("GET", f"g:{grant_id}")
        return None if record is None else read_grant(grant_id, record)

    def grant_ids(self, attribute: GrantAttribute, value: str, limit: int) -> list[str]:
        """Return the ids of at most `limit` grants with this value of an indexed attribute."""
        return _texts(self._ask(self._grant_ids, attribute, value, limit))

    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, or None."""
        record = self._look_up("GET", f"l:{client_id}")
        return None if record is None else read_client(client_id, record)

    def client_ids(self) -> list[str]:
        """Return the ids of all dynamically registered clients, in alphabetical order."""
        return _texts(self._look_up("ZRANGE", "la", 0, -1))

    def is_client_origin(self, origin: str) -> bool:
        """Return whether a dynamically registered client has a redirect URI of this web origin."""
        return bool(self._look_up("EXISTS", f"lo:{origin}"))

    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return the consent of a user to a client, or None."""
        record = self._look_up("HGET", f"k:{client_id}", uid)
        return None if record is None else read_consent(uid, client_id, record)

    def ephemeral(self, kind: str, key: str, now: int) -> EphemeralRecord | None:
        """Return a short-lived record without removing it; None if there is none or it has expired at `now`."""
        record = self._look_up("GET", f"e:{ephemeral_key(kind, key)}")
        found = None if record is None else read_ephemeral(kind, key, record)
        return None if found is None or found.expires_at <= now else found

    def ephemerals(self, kind: str, keys: Sequence[str], now: int) -> list[EphemeralRecord]:
        """Return those of several short-lived records of one kind that are unexpired at `now`."""
        records = self._ask(self._ephemerals, *(ephemeral_key(kind, key) for key in keys)) or ()
        found = [read_ephemeral(kind, key, record) for key, record in zip(keys, records, strict=False) if record]
        return [record for record in found if record.expires_at > now]

    def fact(self, name: str) -> str | None:
        """Return the value of a fact that the cluster shares, or None if it is not recorded."""
        return _text(self._look_up("GET", f"f:{name}"))

    def notice(self, notice_id: str) -> LogoutNotice | None:
        """Return a logout notice, None when there is none (any more)."""
        found = self._ask(self._notice, notice_id)
        return None if found is None else read_notice(notice_id, found[0], int(found[1]))

    def notices(self, limit: int, *, state: NoticeState | None = None, client_id: str | None = None) -> list[LogoutNotice]:
        """Return at most `limit` logout notices ordered by due time, of one state and one client if these are given."""
        queues = _QUEUES.values() if state is None else [_QUEUES[state]]
        found = self._ask(self._notices, limit, *(queue if client_id is None else f"{queue}:{client_id}" for queue in queues))
        notices = [read_notice(notice_id.decode(), record, int(due_at)) for notice_id, record, due_at in found or ()]
        return sorted(notices, key=lambda notice: (notice.due_at, notice.ended_at, notice.id))[:limit]

    def notice_counts(self) -> dict[NoticeState, int]:
        """Return the number of notices in each state; the cost does not depend on the number of notices."""
        return {state: self._connections.command("ZCARD", queue) for state, queue in _QUEUES.items()}

    def _look_up(self, command: str, key: str, *values: str | int) -> Any:
        try:
            return self._connections.command(command, key, *values)
        except UnicodeEncodeError:
            return None  # a lone surrogate from a peer's JSON: no stored key can equal it

    def _ask(self, script: Script, *values: str | int) -> Any:
        try:
            return self._connections.run_script(script, *values)
        except UnicodeEncodeError:
            return None

    # --- writes

    def commit(self, changes: Sequence[Change]) -> None:
        """Apply all changes in order and durably, or none of them.

        Raises:
            Conflict: nothing was stored.
            StoreUnavailable: nothing was stored; but after a response timeout, all changes may have been stored.
        """
        number = self._connections.run_script(self._commits.script_for(changes), *arguments(changes))
        if number:
            raise Conflict(changes[number - 1])

    def lease_notices(self, now: int, until: int, limit: int) -> list[LogoutNotice]:
        """Return at most `limit` pending notices that are due at `now`, and defer them to `until` in the same step."""
        leased = self._connections.run_script(self._lease_notices, now, until, limit)
        return [read_notice(notice_id.decode(), record, until) for notice_id, record in leased]

    def sweep(self, now: int, limit: int) -> Swept:
        """Remove expired grants, expired short-lived records and due undeliverable notices, at most `limit` of each.

        Expired grants of an OP session are removed with its next new grant or at its end. An index of all grants by expiry
        would make each logout more expensive.
        """
        kinds = ("grants", "ephemerals", "notices")  # one script for each, so that requests wait less
        return Swept(*(self._connections.run_script(self._sweep, kind, now, limit) for kind in kinds))

    def ping(self) -> None:
        """Verify with a write that the store can be written. Raises: StoreUnavailable."""
        self.commit([ClaimFact(RECORDS_VERSION_FACT, RECORDS_VERSION)])

    def close(self) -> None:
        """Close the connections; those in use are closed afterwards."""
        self._connections.close()


def _text(answer: bytes | None) -> str | None:
    return None if answer is None else answer.decode()


def _texts(answer: list[bytes] | None) -> list[str]:
    return [member.decode() for member in answer or ()]


def _op_sessions(answer: list[tuple[bytes, bytes]] | None) -> list[OpSession]:
    return [read_op_session(op_session_id, record) for op_session_id, record in answer or ()]

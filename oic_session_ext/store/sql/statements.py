"""Every SQL statement of the store, written with SQLAlchemy and compiled once for the engine's dialect.

On PostgreSQL transactions run concurrently (READ COMMITTED). Therefore a condition is part of the statement that it guards,
which reads the newest row. If a statement depends on rows that another has read, the other has locked them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Executable,
    FromClause,
    Select,
    Table,
    and_,
    any_,
    case,
    cast,
    delete,
    func,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.engine import Dialect

from ...model import NoticeState
from .prepared import Prepared, given
from .tables import client_origins, clients, consents, ephemerals, facts, grants, notices, op_sessions, rp_sessions

RP_SESSION_COLUMNS = ("sid", "client_id", "sub", "created_at")
OP_SESSION_COLUMNS = (
    "id",
    "cookie_digest",
    "uid",
    "auth_time",
    "acr",
    "op_browser_state",
    "sid_seed",
    "created_at",
    "last_active_at",
    "idle_expires_at",
    "expires_at",
    "version",
)
GRANT_COLUMNS = (
    "id",
    "client_id",
    "uid",
    "sub",
    "op_session_id",
    "sid",
    "data",
    "created_at",
    "expires_at",
    "is_offline",
    "refresh_digest",
    "version",
)
NOTICE_COLUMNS = ("id", "channel", "client_id", "uid", "sub", "sid", "reason", "ended_at", "due_at", "attempts", "state", "problem")


class Statements:
    """The statements of one dialect; `insert` is the dialect's own, for ON CONFLICT.

    `locks_rows` is True if writers run concurrently and lock rows, False if they run one after the other.
    """

    def __init__(self, dialect: Dialect, insert: Callable[[Table], Any]) -> None:
        self.locks_rows = dialect.name == "postgresql"
        self._dialect = dialect
        self._insert = insert
        self._op_sessions()
        self._rp_sessions()
        self._ending_op_sessions()
        self._grants()
        self._clients()
        self._consents()
        self._ephemerals()
        self._notices()
        self.fact = self._prepared(select(facts.c.value).where(facts.c.name == given("name")))
        self.claim_fact = self._upserted(facts, lambda excluded: facts.c.value.in_([excluded.value, given("instead_of")]))

    def _op_sessions(self) -> None:
        session, share = op_sessions.c, rp_sessions.c
        due = session.due_at <= given("now")
        due_ids = select(session.id).where(due).order_by(session.due_at, session.id).limit(given("limit"))

        self.op_session_by_cookie = self._prepared(_op_sessions(session.cookie_digest == given("cookie_digest")))
        self.op_session = self._prepared(_op_sessions(session.id == given("id")))
        self.op_sessions_of_user = self._prepared(_op_sessions(session.uid == given("uid"), session.created_at))
        self.due_op_sessions = self._prepared(_op_sessions(session.id.in_(due_ids), session.due_at))
        self.list_op_sessions = self._prepared(_op_sessions(session.id.in_(_page(session.created_at, session.id)), session.created_at))
        ids_of_client = _page(share.session_created_at, share.op_session_id).where(share.client_id == given("client_id"))
        self.list_op_sessions_of_client = self._prepared(_op_sessions(session.id.in_(ids_of_client), session.created_at))
        self.op_session_id_of_sid = self._prepared(select(share.op_session_id).where(share.sid == given("sid")))
        self.put_op_session = self._prepared(self._inserted(op_sessions))
        self.update_op_session = self._prepared(
            update(op_sessions)
            .where(session.id == given("id"), session.version == given("version"))
            .values({name: given(name) for name in ("due_at", *OP_SESSION_COLUMNS) if name not in ("id", "created_at", "version")})
            .values(version=session.version + 1)
        )
        self.touch_op_session = self._prepared(_touched())

    def _rp_sessions(self) -> None:
        """Prepare statements that add an RP session and increment the OP session's version if the RP session is new."""
        session, share = op_sessions.c, rp_sessions.c
        of_session = session.id == given("op_session_id")
        if self.locks_rows:
            # One statement that first locks the session, so that only one transaction at a time adds to it.
            locked = select(session.id, session.created_at).where(of_session).with_for_update(key_share=True).cte("locked")
            added = self._inserted_rp_session(locked.c).returning(share.sid).cte("added")
            number = select(func.count()).select_from(added).scalar_subquery()
            self.add_rp_session: tuple[Prepared, ...] = (
                self._prepared(update(op_sessions).where(of_session).values(version=session.version + number)),
            )
        else:
            is_there = select(share.sid).where(share.op_session_id == given("op_session_id"), share.client_id == given("client_id"))
            version = case((is_there.exists(), session.version), else_=session.version + 1)
            count = update(op_sessions).where(of_session).values(version=version)
            self.add_rp_session = (self._prepared(count), self._prepared(self._inserted_rp_session(session, of_session)))
        self.put_rp_session = self._prepared(self._inserted(rp_sessions))

    def _inserted_rp_session(self, session: Any, *conditions: ColumnElement[bool]) -> Any:
        """Insert an RP session into the OP session of the columns `session`, unless the client has one."""
        values = {
            **{name: given(name) for name in RP_SESSION_COLUMNS},
            "op_session_id": session.id,
            "session_created_at": session.created_at,
        }
        insertion = self._insert(rp_sessions).from_select(list(values), select(*values.values()).where(*conditions))
        return insertion.on_conflict_do_nothing(index_elements=list(rp_sessions.primary_key))

    def _ending_op_sessions(self) -> None:
        """Prepare the end of OP sessions.

        While it runs, the first lock prevents new grants and RP sessions, the second that a grant becomes offline.
        """
        session, grant = op_sessions.c, grants.c
        self.lock_op_session = self._prepared(
            select(session.id).where(session.id == given("id"), session.version == given("version")).with_for_update()
        )
        self.lock_grants = self._prepared(select(grant.id).where(grant.op_session_id == given("id")).order_by(grant.id).with_for_update())
        self.release_offline_grants = self._prepared(
            update(grants)
            .where(grant.op_session_id == given("id"), grant.is_offline, grant.refresh_digest.is_not(None))
            .values(op_session_id=None, version=grant.version + 1)
        )
        self.delete_op_session = self._prepared(delete(op_sessions).where(session.id == given("id")))  # cascades

    def _grants(self) -> None:
        grant = grants.c
        self.grant = self._prepared(_columns(grants, GRANT_COLUMNS).where(grant.id == given("id")))
        self.grant_ids = {
            name: self._prepared(statement)
            for name, statement in (
                ("op_session_id", select(grant.id).where(grant.op_session_id == given("value")).limit(given("limit"))),
                ("uid", _grant_ids("uid", op_sessions, grant.op_session_id == op_sessions.c.id)),
                *((name, _grant_ids(name, rp_sessions, *_OF_RP_SESSION)) for name in ("sub", "sid", "client_id")),
            )
        }
        self.put_grant = self._prepared(self._inserted(grants))
        self.update_grant = self._prepared(
            update(grants)
            .where(grant.id == given("id"), grant.version == given("version"))
            .values({name: given(name) for name in GRANT_COLUMNS if name not in ("id", "version")})
            .values(version=grant.version + 1)
        )
        self.delete_grant = self._prepared(delete(grants).where(grant.id == given("id")))
        self.sweep_grants = self._swept(grants, grant.expires_at <= given("now"), grant.expires_at)

    def _clients(self) -> None:
        self.client = self._prepared(
            select(clients.c.metadata, client_origins.c.origin)
            .select_from(clients.outerjoin(client_origins))
            .where(clients.c.client_id == given("client_id"))
        )
        self.client_ids = self._prepared(select(clients.c.client_id).order_by(clients.c.client_id))
        self.is_client_origin = self._prepared(select(client_origins.c.origin).where(client_origins.c.origin == given("origin")).limit(1))
        self.put_client = self._prepared(self._inserted(clients))
        self.update_client = self._prepared(
            update(clients).where(clients.c.client_id == given("client_id")).values(metadata=given("metadata"))
        )
        self.delete_client = self._prepared(delete(clients).where(clients.c.client_id == given("client_id")))
        self.put_client_origin = self._prepared(self._inserted(client_origins))
        self.delete_client_origins = self._prepared(delete(client_origins).where(client_origins.c.client_id == given("client_id")))

    def _consents(self) -> None:
        consent_key = (consents.c.client_id == given("client_id"), consents.c.uid == given("uid"))
        self.consent = self._prepared(select(consents.c.scopes, consents.c.given_at).where(*consent_key))
        self.put_consent = self._upserted(consents)
        self.delete_consent = self._prepared(delete(consents).where(*consent_key))
        self.delete_consents_of_client = self._prepared(delete(consents).where(consents.c.client_id == given("client_id")))

    def _ephemerals(self) -> None:
        ephemeral = ephemerals.c
        record_key = (ephemeral.kind == given("kind"), ephemeral.key == given("key"))
        unexpired = ephemeral.expires_at > given("now")
        self.ephemeral = self._prepared(select(ephemeral.expires_at, ephemeral.payload).where(*record_key, unexpired))
        several = select(ephemeral.key, ephemeral.expires_at, ephemeral.payload)
        self.ephemerals = self._prepared(
            several.where(ephemeral.kind == given("kind"), self._is_one_of(ephemeral.key, given("keys")), unexpired)
        )
        self.put_ephemeral = self._upserted(ephemerals)
        self.claim_ephemeral = self._upserted(ephemerals, lambda _: ephemeral.expires_at <= given("now"))
        self.take_ephemeral = self._prepared(delete(ephemerals).where(*record_key, unexpired))
        self.delete_ephemeral = self._prepared(delete(ephemerals).where(*record_key))
        self.sweep_ephemerals = self._swept(ephemerals, ephemeral.expires_at <= given("now"), ephemeral.expires_at)

    def _notices(self) -> None:
        notice = notices.c
        by_due_time = (notice.due_at, notice.ended_at, notice.id)
        in_state = _columns(notices, NOTICE_COLUMNS).where(notice.state == given("state")).order_by(*by_due_time).limit(given("limit"))
        is_pending = notice.state == NoticeState.PENDING.value
        self.put_notice = self._prepared(self._inserted(notices))
        self.notice = self._prepared(_columns(notices, NOTICE_COLUMNS).where(notice.id == given("id")))
        self.notices = self._prepared(in_state)
        self.notices_of_client = self._prepared(in_state.where(notice.client_id == given("client_id")))
        self.notice_counts = self._prepared(select(notice.state, func.count()).group_by(notice.state))
        self.replace_notice = self._prepared(
            update(notices).where(notice.id == given("id")).values({name: given(name) for name in NOTICE_COLUMNS if name != "id"})
        )
        self.delete_notice = self._prepared(delete(notices).where(notice.id == given("id")))
        self.defer_notices = self._prepared(
            update(notices)
            .where(notice.client_id == given("client_id"), is_pending, notice.due_at < given("until"))
            .values(due_at=given("until"))
        )
        self.due_notices = self._prepared(in_state.where(notice.due_at <= given("now")).with_for_update(skip_locked=True))
        self.defer_notice = self._prepared(update(notices).where(notice.id == given("id")).values(due_at=given("until")))
        is_given_up = notice.state == NoticeState.UNDELIVERABLE.value
        self.sweep_notices = self._swept(notices, is_given_up & (notice.due_at <= given("now")), *by_due_time)

    def _is_one_of(self, column: ColumnElement[str], json_array: ColumnElement[Any]) -> ColumnElement[bool]:
        """Match any text of a JSON array, whose length is unknown when the statement is prepared, by an index."""
        if self._dialect.name == "postgresql":
            texts = select(func.json_array_elements_text(cast(json_array, JSON)).column_valued("text"))
            return column == any_(func.array(texts.scalar_subquery()))
        return column.in_(select(func.json_each(json_array).table_valued("value", name="given_keys").c.value))

    def _prepared(self, statement: Executable) -> Prepared:
        return Prepared(statement, self._dialect)

    def _inserted(self, table: Table) -> Any:
        return self._insert(table).values({column.name: given(column.name) for column in table.columns})

    def _upserted(self, table: Table, where: Callable[[Any], ColumnElement[bool]] | None = None) -> Prepared:
        """Insert a row, or replace the row of the same key; with `where`, only if the old row meets the condition."""
        statement = self._inserted(table)
        keys = list(table.primary_key)
        rest = {column.name: statement.excluded[column.name] for column in table.columns if column not in keys}
        condition = where(statement.excluded) if where else None
        return self._prepared(statement.on_conflict_do_update(index_elements=keys, set_=rest, where=condition))

    def _swept(self, table: Table, condition: ColumnElement[bool], *order: ColumnElement[Any]) -> Prepared:
        """Delete at most `limit` rows in this order. Rows that other transactions have locked are skipped."""
        key = list(table.primary_key)
        first = select(*key).where(condition).order_by(*order).limit(given("limit")).with_for_update(skip_locked=True)
        picked = first.cte("picked", nesting=True).prefix_with("MATERIALIZED", dialect="postgresql")  # run once only
        return self._prepared(delete(table).where(tuple_(*key).in_(select(*picked.c))))


def _columns(table: FromClause, names: tuple[str, ...]) -> Select[Any]:
    return select(*(table.c[name] for name in names))


def _page(created_at: ColumnElement[Any], op_session_id: ColumnElement[Any]) -> Select[Any]:
    """Select the ids of the OP sessions of one page of a listing."""
    after = tuple_(created_at, op_session_id) > tuple_(given("after_created_at"), given("after_id"))
    page = select(op_session_id).where(after, created_at < given("created_before"))
    return page.order_by(created_at, op_session_id).limit(given("limit"))


def _op_sessions(condition: ColumnElement[bool], *order: ColumnElement[Any]) -> Select[Any]:
    """Select OP sessions with their RP sessions: one row for each pair, oldest RP session first."""
    pair = [op_sessions.c[name] for name in OP_SESSION_COLUMNS] + [rp_sessions.c[name] for name in RP_SESSION_COLUMNS]
    shares = (rp_sessions.c.created_at, rp_sessions.c.client_id)
    sessions = (*order, op_sessions.c.id) if order else ()
    return select(*pair).select_from(op_sessions.outerjoin(rp_sessions)).where(condition).order_by(*sessions, *shares)


_OF_RP_SESSION = (grants.c.op_session_id == rp_sessions.c.op_session_id, grants.c.client_id == rp_sessions.c.client_id)


def _grant_ids(name: str, sessions: Table, *of_session: ColumnElement[bool]) -> Executable:
    """Select the ids of the grants with a value of an attribute: in the sessions with this value, and without a session."""
    grant = grants.c
    in_sessions = select(grant.id).join_from(sessions, grants, and_(*of_session)).where(sessions.c[name] == given("value"))
    alone = select(grant.id).where(grant.op_session_id.is_(None))
    has_value = grant[name] == given("value")
    return union_all(in_sessions.where(has_value), alone.where(has_value)).limit(given("limit"))


def _touched() -> Executable:
    """Update the time of activity, which never decreases, and the times that depend on it."""
    session = op_sessions.c
    given_idle = given("idle_expires_at")
    idle = case((session.idle_expires_at < given_idle, given_idle), else_=session.idle_expires_at)
    given_active = given("last_active_at")
    return (
        update(op_sessions)
        .where(session.id == given("op_session_id"))
        .values(
            last_active_at=case((session.last_active_at < given_active, given_active), else_=session.last_active_at),
            idle_expires_at=idle,
            due_at=case((session.expires_at < idle, session.expires_at), else_=idle),
        )
    )

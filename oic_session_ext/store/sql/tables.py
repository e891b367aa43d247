"""The tables of the SQL store and their schema version.

Keys and references enforce the contract: a grant cannot refer to an OP session that does not exist, and every deletion of
an OP session deletes its RP sessions and its grants too (promise P1).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, MetaData, Table, text
from sqlalchemy import Text as AnyText

SCHEMA_VERSION = "0003"
"""The last of `migrations/versions`, which create these tables. A database of another version is refused at start."""

metadata = MetaData()

# Text is compared byte by byte: all engines do so, it is fastest for an index, and a new version of the system's locales
# cannot corrupt an index.
Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")

# Instants are BigInteger: PostgreSQL's INTEGER ends in 2038. On SQLite, tables with small rows are stored in their primary
# key (WITHOUT ROWID), which saves a second tree.

op_sessions = Table(
    "op_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("cookie_digest", Text, nullable=False, unique=True),
    Column("uid", Text, nullable=False, index=True),
    Column("auth_time", BigInteger, nullable=False),
    Column("acr", Text, nullable=False),
    Column("op_browser_state", Text, nullable=False),
    Column("sid_seed", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_active_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False, index=True),  # the earlier of idle_expires_at and expires_at
    Index("ix_op_sessions_created_at_id", "created_at", "id"),
)

rp_sessions = Table(
    "rp_sessions",
    metadata,
    Column("op_session_id", Text, ForeignKey(op_sessions.c.id, ondelete="CASCADE"), primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("sid", Text, nullable=False, unique=True),
    Column("sub", Text, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("session_created_at", BigInteger, nullable=False, server_default=text("0")),  # to read a client's sessions in order
    Index("ix_rp_sessions_client_id_session_created_at", "client_id", "session_created_at", "op_session_id"),
    sqlite_with_rowid=False,
)

grants = Table(
    "grants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("op_session_id", Text, ForeignKey(op_sessions.c.id, ondelete="CASCADE"), index=True),
    Column("sid", Text),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("is_offline", Boolean, nullable=False),
    Column("refresh_digest", Text),
    Column("version", BigInteger, nullable=False),
)
# Other grants are found through their session: entries in four large trees would be most of the cost of a grant.
for _name in ("client_id", "uid", "sub", "sid"):
    _has_no_session = grants.c.op_session_id.is_(None)
    Index(f"ix_grants_{_name}_alone", grants.c[_name], sqlite_where=_has_no_session, postgresql_where=_has_no_session)

clients = Table(
    "clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("metadata", Text, nullable=False),
)

client_origins = Table(
    "client_origins",
    metadata,
    Column("client_id", Text, ForeignKey(clients.c.client_id, ondelete="CASCADE"), primary_key=True),
    Column("origin", Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

consents = Table(
    "consents",
    metadata,
    Column("client_id", Text, primary_key=True),  # first, so that the key finds a client's consents
    Column("uid", Text, primary_key=True),
    Column("scopes", Text, nullable=False),
    Column("given_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

ephemerals = Table(
    "ephemerals",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("payload", Text, nullable=False),
    sqlite_with_rowid=False,
)

notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("sid", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("problem", Text, nullable=False, server_default=""),
    Index("ix_notices_state_due_at", "state", "due_at", "ended_at", "id"),
    Index("ix_notices_client_id_state_due_at", "client_id", "state", "due_at", "ended_at", "id"),
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

"""The first tables: OP sessions, RP sessions and grants, clients, consents, short-lived records, notices, facts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "op_sessions",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("cookie_digest", TEXT, nullable=False, unique=True),
        sa.Column("uid", TEXT, nullable=False, index=True),
        sa.Column("auth_time", sa.BigInteger, nullable=False),
        sa.Column("acr", TEXT, nullable=False),
        sa.Column("op_browser_state", TEXT, nullable=False),
        sa.Column("sid_seed", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_active_at", sa.BigInteger, nullable=False),
        sa.Column("idle_expires_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "rp_sessions",
        sa.Column("op_session_id", TEXT, sa.ForeignKey("op_sessions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("client_id", TEXT, primary_key=True),
        sa.Column("sid", TEXT, nullable=False, unique=True),
        sa.Column("sub", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grants",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("client_id", TEXT, nullable=False, index=True),
        sa.Column("uid", TEXT, nullable=False, index=True),
        sa.Column("sub", TEXT, nullable=False, index=True),
        sa.Column("op_session_id", TEXT, sa.ForeignKey("op_sessions.id", ondelete="CASCADE"), index=True),
        sa.Column("sid", TEXT, index=True),
        sa.Column("data", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("is_offline", sa.Boolean, nullable=False),
        sa.Column("refresh_digest", TEXT),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", TEXT, primary_key=True),
        sa.Column("metadata", TEXT, nullable=False),
    )
    op.create_table(
        "client_origins",
        sa.Column("client_id", TEXT, sa.ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("origin", TEXT, primary_key=True, index=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consents",
        sa.Column("client_id", TEXT, primary_key=True),
        sa.Column("uid", TEXT, primary_key=True),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("given_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ephemerals",
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("payload", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notices",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("sub", TEXT, nullable=False),
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Index("ix_notices_due_at_id", "due_at", "id"),
    )
    op.create_table(
        "facts",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )

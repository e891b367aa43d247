"""Notices that are leased, given up and listed; OP sessions that are listed page by page, all or those of a client.

The new columns have defaults for servers of the version before, which may run until they are replaced.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add columns and the indexes that go with them."""
    op.add_column("notices", sa.Column("state", TEXT, nullable=False, server_default="pending"))
    op.add_column("notices", sa.Column("problem", TEXT, nullable=False, server_default=""))
    op.drop_index("ix_notices_due_at_id", "notices")
    op.create_index("ix_notices_state_due_at", "notices", ["state", "due_at", "ended_at", "id"])
    op.create_index("ix_notices_client_id_state_due_at", "notices", ["client_id", "state", "due_at", "ended_at", "id"])

    op.add_column("rp_sessions", sa.Column("session_created_at", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.execute(
        "UPDATE rp_sessions SET session_created_at ="
        " (SELECT op_sessions.created_at FROM op_sessions WHERE op_sessions.id = rp_sessions.op_session_id)"
    )
    op.create_index("ix_rp_sessions_client_id_session_created_at", "rp_sessions", ["client_id", "session_created_at", "op_session_id"])
    op.create_index("ix_op_sessions_created_at_id", "op_sessions", ["created_at", "id"])

    op.execute("DELETE FROM facts WHERE name = 'schema_version'")  # it is kept in its own table now

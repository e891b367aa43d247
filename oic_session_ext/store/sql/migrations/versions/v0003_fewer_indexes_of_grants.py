"""Grants of an OP session are found through it; only those without one have an index for each attribute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAMES = ("client_id", "uid", "sub", "sid")


def upgrade() -> None:
    """Replace the indexes."""
    alone = sa.text("op_session_id IS NULL")
    for name in NAMES:
        op.drop_index(f"ix_grants_{name}", "grants")
        op.create_index(f"ix_grants_{name}_alone", "grants", [name], sqlite_where=alone, postgresql_where=alone)
    op.create_index("ix_rp_sessions_sub", "rp_sessions", ["sub"])

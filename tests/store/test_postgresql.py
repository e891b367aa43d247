from __future__ import annotations

from collections.abc import Iterator

import pytest

from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.testing import StoreContract
from tests.store.postgresql_server import PostgresqlServer


class TestPostgresqlStore(StoreContract):
    """The contract, proved of PostgreSQL."""

    @pytest.fixture
    def store(self, postgresql: PostgresqlServer) -> Iterator[Store]:
        """Give each test an empty database."""
        store = open_store(postgresql.url(postgresql.emptied_database()))
        yield store
        store.close()

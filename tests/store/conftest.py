"""The PostgreSQL server that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.postgresql_server import PostgresqlServer, postgresql_or_skip


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server that runs as long as the tests do."""
    yield from postgresql_or_skip()

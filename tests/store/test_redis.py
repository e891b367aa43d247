"""The Redis engine keeps the contract on a real server, survives its end, and says so when it cannot work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oic_session_ext.store.base import Store
from oic_session_ext.store.redis import open_redis_store
from oic_session_ext.testing import StoreContract
from tests.store.redis_server import redis_server, redis_url  # noqa: F401 -- fixtures


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:  # noqa: F811
    store = open_redis_store(redis_url)
    yield store
    store.close()


class TestRedisStore(StoreContract):
    """The contract, proved of Redis."""

    @pytest.fixture
    def store(self, redis_url: str) -> Iterator[Store]:  # noqa: F811
        """Give each test an empty store."""
        store = open_redis_store(redis_url)
        yield store
        store.close()

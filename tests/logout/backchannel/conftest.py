"""The PostgreSQL server of the tests that look at notices in every engine."""

from __future__ import annotations

from tests.store.conftest import postgresql

__all__ = ["postgresql"]

"""The interface of the SQL store to a database: run prepared statements, alone or together in a short transaction.

Every error of a driver is raised as `StoreUnavailable` and its connection is not used again, so that the store works again
when the database does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..changes import Change
from .prepared import Prepared, Step

Row: TypeAlias = tuple[Any, ...]


class Connections(ABC):
    """The connections to one database, safe to use from many threads. Every method may raise `StoreUnavailable`."""

    @abstractmethod
    def rows(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Run one SELECT outside of a transaction and return all its rows.

        A text value that the database cannot store matches no row.
        """

    @abstractmethod
    def commit(self, steps: Sequence[tuple[Change, Step]]) -> None:
        """Run steps in one transaction, each for a change.

        Raises: Conflict: a key exists already, a reference has no target, or a step that must match a row matched none.
        """

    @abstractmethod
    def rows_then(self, select: Prepared, values: Mapping[str, Any], then: Callable[[Row], Step]) -> list[Row]:
        """Run a SELECT that locks its rows and then a step for each row, in one transaction; return the rows."""

    @abstractmethod
    def hits(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        """Run one statement in its own transaction and return the number of rows changed."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections; each later use raises `StoreUnavailable`."""

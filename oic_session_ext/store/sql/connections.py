"""What the SQL store asks of a database: to run prepared statements, alone or together in a short transaction.

Whatever a driver raises leaves an engine as `StoreUnavailable`, and the connection it came from is not used again: so the store
resumes by itself once the database does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..changes import Change
from .prepared import Prepared, Step

Row: TypeAlias = tuple[Any, ...]


class Connections(ABC):
    """The connections to one database; may be used from many threads. Every method may raise `StoreUnavailable`."""

    @abstractmethod
    def rows(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Run one SELECT outside of a transaction and return all its rows.

        A text that the database cannot hold is equal to none of its rows.
        """

    @abstractmethod
    def commit(self, steps: Sequence[tuple[Change, Step]]) -> None:
        """Run steps in one transaction, each on behalf of a change.

        Raises: Conflict: a key is taken, a reference leads nowhere, or nothing was hit where something had to be.
        """

    @abstractmethod
    def rows_then(self, select: Prepared, values: Mapping[str, Any], then: Callable[[Row], Step]) -> list[Row]:
        """Run a SELECT that locks what it finds and then a step for each row, in one transaction; return the rows."""

    @abstractmethod
    def hits(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        """Run one statement in a transaction of its own and return how many rows it changed."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections; each later use raises `StoreUnavailable`."""

"""One SQL statement as a driver takes it: compiled by SQLAlchemy once, run many times.

The store runs the compiled text on the driver itself. On SQLite a look-up by key takes 13 us of CPU that way and 54 us through
`Connection.execute` (Python 3.11, SQLAlchemy 2.1); how dialects differ is still SQLAlchemy's business alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import BindParameter, Executable, Select, bindparam
from sqlalchemy.engine import Dialect

_PREFIX = "given_"  # SQLAlchemy keeps the bare names of columns for itself in UPDATE


def given(name: str) -> BindParameter[Any]:
    """Return the place of a value that `Prepared.bound` fills in."""
    return bindparam(_PREFIX + name)


class Prepared:
    """One statement as text for the driver's cursor, and the order in which it takes its values."""

    __slots__ = ("_constants", "_names", "returns_rows", "sql")

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql: str = compiled.string
        self.returns_rows = isinstance(statement, Select)
        self._names: list[str] = [name.removeprefix(_PREFIX) for name in compiled.positiontup]
        self._constants = {name: value for name, value in compiled.params.items() if not name.startswith(_PREFIX)}

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the statement's order; those that it does not know are passed over."""
        if self._constants:
            values = {**self._constants, **values}
        return [values[name] for name in self._names]


Step: TypeAlias = tuple[Prepared, list[Any], bool]
"""A statement, its values in order, and whether it must hit a row (else the condition that it stands for did not hold)."""


def step(statement: Prepared, values: Mapping[str, Any], *, must_hit: bool = False) -> Step:
    """Return a statement with its values."""
    return statement, statement.bound(values), must_hit

"""Data structures of the in-memory engine: a journal for rollback, and a queue ordered by due time."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MISSING: Any = object()


class Journal:
    """Writes into dicts and can roll back all writes."""

    def __init__(self) -> None:
        self._entries: list[tuple[dict[Any, Any], Any, Any]] = []

    def set(self, table: dict[K, Any], key: K, value: Any) -> None:
        """Set the value of a new or existing key."""
        self._entries.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def drop(self, table: dict[K, Any], key: K) -> None:
        """Remove a key; a no-op if it does not exist."""
        if key in table:
            self._entries.append((table, key, table.pop(key)))

    def add_to_index(self, index: dict[K, dict[Any, None]], value: K, member: Any) -> None:
        """Add `member` to the members that have `value`."""
        if value not in index:
            self.set(index, value, {})
        self.set(index[value], member, None)

    def drop_from_index(self, index: dict[K, dict[Any, None]], value: K, member: Any) -> None:
        """Remove `member` from the members that have `value`."""
        self.drop(index[value], member)
        if not index[value]:
            self.drop(index, value)

    def undo(self) -> None:
        """Roll back all writes, the last one first."""
        for table, key, previous in reversed(self._entries):
            if previous is _MISSING:
                del table[key]
            else:
                table[key] = previous


class DueQueue(Generic[K]):
    """Keys ordered by due time. Deferring a key does not change the heap.

    `due` has the authoritative times. For each key, the heap has at least one entry that is not later than its time in
    `due`. `first` corrects or removes outdated entries when it reaches them.
    """

    def __init__(self) -> None:
        self.due: dict[K, int] = {}
        self._heap: list[tuple[int, K]] = []

    def __len__(self) -> int:
        """Return the number of heap entries, including outdated ones."""
        return len(self._heap)

    def set(self, journal: Journal, key: K, due_at: int) -> None:
        """Set the due time of a new or existing key."""
        previous = self.due.get(key)
        if previous is None or due_at < previous:
            heappush(self._heap, (due_at, key))
        journal.set(self.due, key, due_at)

    def first(self, limit: int, now: int | None = None) -> list[K]:
        """Return at most `limit` keys, earliest first; with `now`, only keys that are due then."""
        if len(self._heap) > 2 * len(self.due) + 64:
            self._heap = [(due_at, key) for key, due_at in self.due.items()]
            heapify(self._heap)
        found: dict[K, int] = {}
        while self._heap and len(found) < limit and (now is None or self._heap[0][0] <= now):
            entry_due_at, key = heappop(self._heap)
            due_at = self.due.get(key)
            if due_at is None or key in found:
                continue
            if entry_due_at < due_at:
                heappush(self._heap, (due_at, key))
            else:
                found[key] = due_at
        for key, due_at in found.items():
            heappush(self._heap, (due_at, key))
        return list(found)


@dataclass(frozen=True, slots=True)
class StoredRecord(Generic[V]):
    """A grant, client or record whose JSON part is stored as text, so that callers cannot change the stored value."""

    value: V
    text: str

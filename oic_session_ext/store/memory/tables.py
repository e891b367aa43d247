"""What the memory engine is made of: dicts whose changes can be taken back, and a queue of what falls due."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MISSING: Any = object()


class Journal:
    """Writes into dicts and can take all of it back."""

    def __init__(self) -> None:
        self._entries: list[tuple[dict[Any, Any], Any, Any]] = []

    def set(self, table: dict[K, Any], key: K, value: Any) -> None:
        """Put a value, new or in place of another."""
        self._entries.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def drop(self, table: dict[K, Any], key: K) -> None:
        """Remove a key; nothing happens when it is not there."""
        if key in table:
            self._entries.append((table, key, table.pop(key)))

    def add_to_index(self, index: dict[K, dict[Any, None]], value: K, member: Any) -> None:
        """Note that `member` has `value`."""
        if value not in index:
            self.set(index, value, {})
        self.set(index[value], member, None)

    def drop_from_index(self, index: dict[K, dict[Any, None]], value: K, member: Any) -> None:
        """Forget that `member` has `value`."""
        self.drop(index[value], member)
        if not index[value]:
            self.drop(index, value)

    def undo(self) -> None:
        """Take back everything, last first."""
        for table, key, previous in reversed(self._entries):
            if previous is _MISSING:
                del table[key]
            else:
                table[key] = previous


class DueQueue(Generic[K]):
    """Keys in the order in which they fall due, without moving anything when a key falls due later than before.

    `due` is the truth. The heap holds for each key at least one entry that is not later than its truth; entries that
    are out of date are put right, or thrown away, when they come up.
    """

    def __init__(self) -> None:
        self.due: dict[K, int] = {}
        self._heap: list[tuple[int, K]] = []

    def __len__(self) -> int:
        """Return how many entries are held, those out of date included."""
        return len(self._heap)

    def set(self, journal: Journal, key: K, due_at: int) -> None:
        """Let a key fall due at an instant, new or moved."""
        previous = self.due.get(key)
        if previous is None or due_at < previous:
            heappush(self._heap, (due_at, key))
        journal.set(self.due, key, due_at)

    def first(self, limit: int, now: int | None = None) -> list[K]:
        """Return at most `limit` keys (with `now`: that are due then), earliest first."""
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
class SharedSecret(Generic[V]):
    """A grant, client or record with its JSON-serialisable part as text, so that nobody shares it with the store."""

    value: V
    text: str

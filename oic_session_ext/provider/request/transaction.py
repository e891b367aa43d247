"""The one place that runs a request's unit of work, commits it, and runs it again when another request was first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from oic.utils.http_util import Response

from ...errors import Conflict, ProtocolError, StoreError
from ...store.unit_of_work import UnitOfWork
from .responses import unavailable
from .scope import RequestScope, current_scope, enter_scope, leave_scope

T = TypeVar("T")
_ATTEMPTS = 4
"""How often a request is run while others keep changing what it has read."""


class Transactions:
    """Runs requests of one OP, each in a scope of its own with one unit of work.

    Args:
        new_unit: Makes the unit of work of one attempt; it returns None for an OP without a store.
        error_page: Renders an error for a person.
    """

    def __init__(self, new_unit: Callable[[], UnitOfWork | None], error_page: Callable[[ProtocolError], Response]) -> None:
        self._new_unit = new_unit
        self._error_page = error_page

    def new_scope(self) -> RequestScope:
        """Return a fresh scope for one attempt at a request."""
        return RequestScope(self._new_unit(), owner=self)

    def run(self, work: Callable[[RequestScope], T], *, refuse: Callable[[ProtocolError], Response] | None = None) -> T | Response:
        """Run `work`, commit what it changed, and return what it returned; after a conflict run it again on the present state.

        Inside of another request of this OP it is a part of that one. If the store cannot keep the changes the response is a 503, made by
        `refuse` or as a page: nothing was kept, and the same request may succeed later.
        """
        outer = current_scope()
        if outer is not None and outer.owner is self:
            return work(outer)
        try:
            return self._run_and_commit(work)
        except StoreError as err:
            return (refuse or self._error_page)(unavailable("request", err))

    def _run_and_commit(self, work: Callable[[RequestScope], T]) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            scope = self.new_scope()
            token = enter_scope(scope)
            try:
                result = work(scope)
                if scope.uow is not None:
                    scope.uow.commit()
                return result
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
            finally:
                leave_scope(token)
        raise AssertionError("the last attempt returns or raises")

"""What the mixins add to the namespace of an adopter's OP, beside pyoidc's own names."""

from __future__ import annotations

import pytest
from oic.oic.provider import Provider as StockProvider

from oic_session_ext.provider import HardeningMixin, Provider, SessionManagementMixin

from .conftest import Op


def added_names(op: Op, stock: Op) -> set[str]:
    ours, theirs = op.provider, stock.provider
    return ({*dir(type(ours)), *vars(ours)} - {*dir(type(theirs)), *vars(theirs)}) - {"__annotations__", "__weakref__", "__dict__"}


def test_an_op_with_everything_has_three_names_more_than_pyoidcs(op: Op, stock: Op) -> None:
    assert added_names(op, stock) == {"session_management", "session_routes", "session_middleware"}


def test_an_op_with_the_hardening_alone_has_one_name_more(hardened: Op, stock: Op) -> None:
    assert added_names(hardened, stock) == {"session_management"}


def test_an_op_has_at_most_seven_classes() -> None:
    assert len(Provider.__mro__) == 7


def test_each_mixin_defines_pyoidcs_own_names_and_the_routes_alone() -> None:
    for mixin in (SessionManagementMixin, HardeningMixin):
        own = {name for name in vars(mixin) if not name.startswith("__")}

        assert own - set(dir(StockProvider)) <= {"session_routes", "session_middleware"}


@pytest.mark.parametrize(
    "name", ["outbound", "public_keys", "authorization", "token", "grant_expiry", "browsers", "delivery", "end_session"]
)
def test_what_holds_state_is_made_before_the_first_request(op: Op, name: str) -> None:
    """From Python 3.12 on two threads that meet at a `cached_property` would each get an object of their own."""
    assert name in vars(op.ext)


def test_the_logout_uses_the_delivery_that_the_op_starts(op: Op) -> None:
    assert op.ext.end_session._delivery is op.ext.delivery

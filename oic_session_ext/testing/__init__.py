"""For tests, ours and a deployer's: a clock that a test moves, example records, and the contract of a store engine.

Needs pytest; no other module of the package imports this one.
"""

from __future__ import annotations

from .examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from .fake_clock import FakeClock
from .store_contract import StoreContract

__all__ = [
    "NOW",
    "FakeClock",
    "StoreContract",
    "example_grant",
    "example_notice",
    "example_op_session",
    "example_rp_session",
]

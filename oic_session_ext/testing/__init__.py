"""Test helpers for this package and its users: a fake clock, example records, and the contract tests of a store engine.

This module needs pytest; no other module of the package imports it.
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

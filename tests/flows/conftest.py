"""The bundled server in this process or in one of its own, for whole flows."""

from __future__ import annotations

from tests.bundled_op import browser, keys_file, make_op, op

__all__ = ["browser", "keys_file", "make_op", "op"]

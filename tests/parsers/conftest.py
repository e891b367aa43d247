"""The fixtures of the bundled server."""

from __future__ import annotations

from tests.bundled_op import keys_file

__all__ = ["keys_file"]

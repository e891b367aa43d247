"""The pages people see, and the headers that go with them.

The last step of a request: a use case has decided, the server picks a page, `Pages` turns it into bytes and headers.
Knows no web framework and no pyoidc.
"""

from __future__ import annotations

from .assets import Asset
from .renderer import Page, Pages

__all__ = ["Asset", "Page", "Pages"]

"""The pages for users, with their headers.

The last step of a request: after the decision of a use case, the server selects a page, and `Pages` renders it to bytes and
headers. This package does not depend on a web framework or on pyoidc.
"""

from __future__ import annotations

from .assets import Asset
from .renderer import Page, Pages

__all__ = ["Asset", "Page", "Pages"]

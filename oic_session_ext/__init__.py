"""OpenID Connect session management and logout for OpenID Providers made with pyoidc."""

from __future__ import annotations

__version__ = "0.1.0"

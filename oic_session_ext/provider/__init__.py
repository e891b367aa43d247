"""The pyoidc seam: mixins for an OP that somebody already has, and a provider that is ready made."""

from __future__ import annotations

from oic.oic.provider import Provider as _PyoidcProvider

from .hardening import HardeningMixin
from .logout.session_status import SessionStatusSeam
from .request.scope import Answered, CompletedLogin
from .request.web_request import Route, WebRequest
from .session_management import SessionManagement, SessionManagementMixin

__all__ = ["Answered", "CompletedLogin", "HardeningMixin", "Provider", "Route", "SessionManagement", "SessionManagementMixin", "WebRequest"]


class Provider(SessionStatusSeam, SessionManagementMixin, HardeningMixin, _PyoidcProvider):
    """pyoidc's OpenID Provider with session management, logout and the protocol fixes."""

"""The pyoidc seam: mixins for an OP that exists already, and a provider that is ready made."""

from __future__ import annotations

from oic.oic.provider import Provider as _PyoidcProvider

from .hardening import HardeningMixin
from .management import SessionManagement
from .policy import OpPolicy
from .request.scope import Answered, CompletedLogin
from .request.web_request import Route, WebRequest
from .session_management import SessionManagementMixin
from .tokens.issued_token import TokenRefused

__all__ = [
    "Answered",
    "CompletedLogin",
    "HardeningMixin",
    "OpPolicy",
    "Provider",
    "Route",
    "SessionManagement",
    "SessionManagementMixin",
    "TokenRefused",
    "WebRequest",
]


class Provider(SessionManagementMixin, HardeningMixin, _PyoidcProvider):
    """pyoidc's OpenID Provider with session management, logout and the protocol fixes."""

"""OpenID Connect session management and logout for OpenID Providers made with pyoidc.

The names of `__all__` are the package's interface. Every other module is private and may move in any release, apart from
`oic_session_ext.testing` (for tests of a store engine or of an own OP) and `oic_session_ext.server.run.wsgi` (the bundled server as
a WSGI application). A name is loaded when it is first used: to import the package alone loads no dependency.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .crypto.secret_ring import SecretRing
    from .errors import ConfigError, ProtocolError, SessionExtError, StoreUnavailable
    from .events import (
        BreakerClosed,
        BreakerOpened,
        Event,
        FrontchannelAsked,
        Hooks,
        NoticeDeferred,
        NoticeDelivered,
        NoticeUndeliverable,
        SessionBegan,
        SessionEnded,
    )
    from .model import LogoutNotice, OpSession, Reason, RpSession
    from .pages import Pages
    from .provider import (
        Answered,
        CompletedLogin,
        HardeningMixin,
        OpPolicy,
        Provider,
        Route,
        SessionManagement,
        SessionManagementMixin,
        TokenRefused,
    )
    from .settings import DeliverySettings, RequestObjectSettings, SessionManagementSettings
    from .store import open_store
    from .store.base import Store

__version__ = "0.1.0"

__all__ = [
    "Answered",
    "BreakerClosed",
    "BreakerOpened",
    "CompletedLogin",
    "ConfigError",
    "DeliverySettings",
    "Event",
    "FrontchannelAsked",
    "HardeningMixin",
    "Hooks",
    "LogoutNotice",
    "NoticeDeferred",
    "NoticeDelivered",
    "NoticeUndeliverable",
    "OpPolicy",
    "OpSession",
    "Pages",
    "ProtocolError",
    "Provider",
    "Reason",
    "RequestObjectSettings",
    "Route",
    "RpSession",
    "SecretRing",
    "SessionBegan",
    "SessionEnded",
    "SessionExtError",
    "SessionManagement",
    "SessionManagementMixin",
    "SessionManagementSettings",
    "Store",
    "StoreUnavailable",
    "TokenRefused",
    "__version__",
    "open_store",
]

_HOMES = {
    "crypto.secret_ring": ("SecretRing",),
    "errors": ("ConfigError", "ProtocolError", "SessionExtError", "StoreUnavailable"),
    "events": (
        *("BreakerClosed", "BreakerOpened", "Event", "FrontchannelAsked", "Hooks", "NoticeDeferred", "NoticeDelivered"),
        *("NoticeUndeliverable", "SessionBegan", "SessionEnded"),
    ),
    "model": ("LogoutNotice", "OpSession", "Reason", "RpSession"),
    "pages": ("Pages",),
    "provider": (
        *("Answered", "CompletedLogin", "HardeningMixin", "OpPolicy", "Provider", "Route", "SessionManagement"),
        *("SessionManagementMixin", "TokenRefused"),
    ),
    "settings": ("DeliverySettings", "RequestObjectSettings", "SessionManagementSettings"),
    "store": ("open_store",),
    "store.base": ("Store",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name of the interface when it is first used (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    """Return the names of the interface."""
    return sorted({*globals(), *__all__})

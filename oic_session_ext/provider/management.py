"""What an adopter hands to `SessionManagementMixin`: the store, the secrets, the settings, and who listens to events."""

from __future__ import annotations

from dataclasses import dataclass

from oic.utils.sdb import SessionDB

from ..clock import Clock, system_clock
from ..crypto.secret_ring import SecretRing
from ..events import NO_HOOKS, Hooks
from ..settings import SessionManagementSettings
from ..store.base import Store
from .session_db.session_backend import create_session_db


@dataclass(frozen=True, slots=True)
class SessionManagement:
    """What session management works with; several OPs, and an OP that is made anew for each request, may share one."""

    store: Store
    secrets: SecretRing
    settings: SessionManagementSettings = SessionManagementSettings()
    clock: Clock = system_clock
    hooks: Hooks = NO_HOOKS

    def session_db(self, issuer: str) -> SessionDB:
        """Return the session database to give to the provider in place of pyoidc's."""
        return create_session_db(issuer, self.store, self.secrets, self.settings, self.clock)

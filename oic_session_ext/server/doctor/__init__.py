"""What can be said of a deployment before users meet its traps: `oic-session-ext doctor` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.settings import ServerSettings
from .clients import examine_clients
from .finding import Finding, Severity
from .issuer import examine_issuer
from .keys import examine_keys
from .rps import examine_rps
from .settings import examine_settings
from .store import examine_store, registered_clients, stored
from .visits import Visits

__all__ = ["Finding", "Severity", "diagnose"]


def diagnose(settings: ServerSettings, *, visits: Visits | None, now: int) -> Iterator[Finding]:
    """Yield what is wrong or risky with a deployment that these settings describe.

    Nothing is changed, but for a short-lived record that shows whether the store can be written.

    `visits`: how the issuer and the clients are visited over the network; None looks at nothing beyond the settings and the store.
    """
    yield from examine_settings(settings)
    with stored(settings) as store:
        yield from examine_store(settings, store, now)
        yield from examine_keys(settings, store)
        clients = registered_clients(settings, store)
    yield from examine_clients(settings, clients)
    if visits is not None:
        yield from examine_issuer(settings, visits)
        yield from examine_rps(settings, clients, visits)
        yield from visits.examine_clock()

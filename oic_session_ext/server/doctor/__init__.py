"""Diagnosis of a deployment: problems and risks that `oic-session-ext doctor` prints."""

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
    """Yield problems and risks of the deployment that these settings describe.

    Nothing is changed except a short-lived record, which tests whether the store can be written.

    `visits`: sends requests to the issuer and the clients; with None only the settings and the store are examined.
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

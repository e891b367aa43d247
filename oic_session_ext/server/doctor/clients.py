"""Checks of client registrations: whether, and in which browsers, clients can be notified of logouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...clients.logout_metadata import is_mixed_content, logout_metadata_problems
from ...clients.uris import UriRules
from ..config.settings import ServerSettings
from .finding import Finding, Severity
from .sites import site_of

_BLIND = "Firefox, Safari and every browser that blocks third-party cookies"


def examine_clients(settings: ServerSettings, clients: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield the findings on each client's registration."""
    checked = {client.client_id for client in settings.clients}
    for client_id, metadata in clients.items():
        about = f"client {client_id}"
        try:
            if client_id not in checked:  # those were verified with the file
                yield from _rules(settings, about, metadata)
            yield from _channels(settings, about, metadata)
            yield from _frame(settings, about, metadata)
        except ValueError as err:  # a stored registration that would be refused today
            yield Finding(
                Severity.WARNING,
                about,
                f"has a URI that cannot be read: it {err}",
                "Browsers and the OP may resolve it differently, or not at all.",
                "Let the client register anew.",
            )


def _rules(settings: ServerSettings, about: str, metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield violations of registration rules: a client may have registered under other settings."""
    permits_http = settings.registration.allow_http
    rules = UriRules.of(metadata, permits_http=permits_http)
    problems = [(uri, rules.redirect_problem(uri)) for uri in metadata.get("redirect_uris") or ()]
    problems += [
        (place[0] if len(place) == 1 else metadata[str(place[0])][place[1]], problem)
        for place, problem in logout_metadata_problems(metadata, permits_http=permits_http)
    ]
    for what, problem in problems:
        if problem:
            yield Finding(
                Severity.WARNING,
                about,
                f"would not be registered today: {what} {problem}",
                "Tokens or logout notices may reach another party than the client.",
                "Let the client register anew, or delete it.",
            )


def _channels(settings: ServerSettings, about: str, metadata: Mapping[str, Any]) -> Iterator[Finding]:
    front, back = metadata.get("frontchannel_logout_uri"), metadata.get("backchannel_logout_uri")
    for uri, is_on, setting in (
        (front, settings.logout.frontchannel, "logout.frontchannel"),
        (back, settings.logout.backchannel.enabled, "logout.backchannel.enabled"),
    ):
        if uri and not is_on:
            yield Finding(
                Severity.WARNING, about, f"has {uri}, but {setting} is off", "It is not notified of logouts there.", "Switch it on."
            )
    if back and settings.logout.backchannel.enabled:
        return
    if front and settings.logout.frontchannel:
        elsewhere = _is_elsewhere(settings, front)
        yield Finding(
            Severity.WARNING if elsewhere else Severity.NOTE,
            about,
            "has only a front-channel logout page" + (", on another site than the OP" if elsewhere else ""),
            (f"In {_BLIND} that page, in a frame, does not get the user's cookie and ends nothing. " if elsewhere else "")
            + "If a session ends without a browser (it expires, an administrator ends it), the client is not notified.",
            "Register backchannel_logout_uri as well.",
        )
    else:
        yield Finding(
            Severity.NOTE,
            about,
            "has no logout URI",
            "It detects a logout only with the OP iframe, while one of its pages is open, or at its next silent renewal.",
            "Register backchannel_logout_uri.",
        )


def _frame(settings: ServerSettings, about: str, metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield framing problems: the OP iframe is in pages of the redirect URIs' origins, the front-channel page is in the OP's."""
    pages = [uri for uri in metadata.get("redirect_uris") or () if str(uri).lower().startswith(("http://", "https://"))]
    elsewhere = sorted({site_of(uri) for uri in pages if _is_elsewhere(settings, uri)})
    has_iframe_alone = settings.session_management.enabled and not settings.session_management.status
    if elsewhere and has_iframe_alone and settings.issuer.startswith("https:"):
        yield Finding(
            Severity.WARNING,
            about,
            f"is on another site than the OP: {', '.join(elsewhere)}",
            f"In {_BLIND} the OP iframe answers `error` there, and a silent renewal in a hidden frame fails, unless the user has granted"
            " storage access.",
            "Register backchannel_logout_uri, switch session_management.status on, or give both a common domain (docs/browsers.md).",
        )
    if is_mixed_content(metadata, settings.issuer):
        yield Finding(
            Severity.PROBLEM,
            about,
            f"has {metadata['frontchannel_logout_uri']}, which is http, while the OP is https",
            "Browsers refuse to frame it (mixed content): front-channel logout does nothing.",
            "Serve it over https.",
        )


def _is_elsewhere(settings: ServerSettings, uri: str) -> bool:
    return site_of(uri) != site_of(settings.issuer)

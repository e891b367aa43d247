"""Checks of the responses at the clients' logout URIs, if they can be reached from this machine."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

from ...web.address_guard import Address, AddressGuard
from ..config.settings import ServerSettings
from .finding import Finding, Severity
from .frame_policy import refuses_frame
from .visits import NotReached, Visits


def examine_rps(settings: ServerSettings, clients: Mapping[str, Mapping[str, Any]], visits: Visits) -> Iterator[Finding]:
    """Request each client's logout URIs and yield the findings.

    No user is signed out: the requests have neither a cookie nor a Logout Token.
    """
    guard = AddressGuard(settings.logout.backchannel.allow_networks)
    trusted = {client.client_id for client in settings.clients}
    for client_id, metadata in clients.items():
        about = f"client {client_id}"
        if (uri := metadata.get("frontchannel_logout_uri")) and settings.logout.frontchannel:
            if client_id in trusted or not _leads_inside(guard, str(uri)):
                yield from _front(settings, about, str(uri), visits)
            else:
                yield _not_visited(about, str(uri))
        if (uri := metadata.get("backchannel_logout_uri")) and settings.logout.backchannel.enabled:
            yield from _back(guard, about, str(uri), visits)


def _front(settings: ServerSettings, about: str, uri: str, visits: Visits) -> Iterator[Finding]:
    query = urlencode({"iss": settings.issuer, "sid": secrets.token_hex(8)})
    try:
        answer = visits.get(f"{uri}{'&' if '?' in uri else '?'}{query}")
    except NotReached as err:
        yield Finding(
            Severity.WARNING,
            about,
            f"{uri} cannot be reached from here: {err}",
            "If browsers do not reach it either, front-channel logout does nothing.",
            "Make sure that it is served.",
        )
        return
    refusal = refuses_frame(answer.headers, uri, settings.issuer)
    if refusal:
        yield Finding(
            Severity.PROBLEM,
            about,
            f"{uri} has {refusal}",
            "Browsers refuse to show it in the OP's logout page: front-channel logout does nothing.",
            f"Let the client send Content-Security-Policy: frame-ancestors {settings.issuer} with this page.",
        )
    elif answer.status >= 300 and answer.status != 400:  # a strict client refuses a session that it does not know
        yield Finding(
            Severity.WARNING,
            about,
            f"{uri} answers {answer.status}",
            "A redirect (to a login page?) or an error there usually means that nothing is ended.",
            "Let it end the session and answer 200 itself.",
        )


def _back(guard: AddressGuard, about: str, uri: str, visits: Visits) -> Iterator[Finding]:
    if problem := guard.refuses_uri(uri):
        yield Finding(
            Severity.PROBLEM,
            about,
            f"{uri} {problem}",
            "The OP refuses to call it; the client is not notified of logouts.",
            "Add its network to logout.backchannel.allow_networks.",
        )
        return
    addresses = _addresses(uri)
    refused = [address for address in addresses if guard.refuses_address(address)]
    if addresses and refused == addresses:
        yield Finding(
            Severity.PROBLEM,
            about,
            f"{uri} leads to {refused[0]}, which is not an address of the public Internet",
            "The OP refuses to call it; the client is not notified of logouts.",
            "Add its network to logout.backchannel.allow_networks.",
        )
        return
    if refused:
        yield _not_visited(about, uri)  # the OP would call one of the others
        return
    try:
        answer = visits.get(uri)  # GET, which ends nothing: Logout Tokens come by POST (OIDCBCL-2.5)
    except NotReached as err:
        yield Finding(
            Severity.PROBLEM,
            about,
            f"{uri} cannot be reached from here: {err}",
            "The client is not notified of logouts at present; they are retried for some time.",
            "Make sure that it is served and that this machine may connect to it.",
        )
        return
    if answer.status in (301, 302, 303, 307, 308) or answer.status in (401, 403, 404, 410) or answer.status >= 500:
        yield Finding(
            Severity.WARNING,
            about,
            f"{uri} answers {answer.status} to a GET",
            "If it responds to a Logout Token in the same way, the client is not notified: redirects and logins are not supported.",
            "Let it accept POST without a redirect and without authentication.",
        )


def _not_visited(about: str, uri: str) -> Finding:
    """Return the note that a URI is not requested: its registrant could choose requests to internal machines."""
    return Finding(
        Severity.NOTE,
        about,
        f"{uri} leads to addresses that are not of the public Internet, and is not visited",
        "None; the response there is unknown.",
        "Look at it yourself, or add its network to logout.backchannel.allow_networks.",
    )


def _leads_inside(guard: AddressGuard, uri: str) -> bool:
    return guard.refuses_uri(uri) is not None or any(guard.refuses_address(address) for address in _addresses(uri))


def _addresses(uri: str) -> list[Address]:
    """Return the addresses of the URI's host; an empty list if it does not resolve."""
    try:
        found = socket.getaddrinfo(urlsplit(uri).hostname, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return []
    return [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]

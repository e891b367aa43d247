"""Checks of the responses at the issuer's address: whether it leads to this OP, and what a proxy changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from ..config.settings import ServerSettings
from .finding import Finding, Severity
from .frame_policy import refuses_frame
from .visits import Answer, NotReached, Visits

_ANY_RP = "https://rp.example.com/"


def examine_issuer(settings: ServerSettings, visits: Visits) -> Iterator[Finding]:
    """Request the discovery document, the OP iframe and a page, and yield the findings."""
    where = f"{settings.issuer}/.well-known/openid-configuration"
    try:
        discovery = visits.get(where)
    except NotReached as err:
        yield Finding(
            Severity.PROBLEM,
            "issuer",
            f"{where} cannot be reached from here: {err}",
            "Clients read the OP's endpoints and keys there.",
            "Start the server; look at DNS, the proxy, the certificate.",
        )
        return
    document = _document(discovery)
    yield from _issuer(settings, where, discovery.status, document.get("issuer"))
    if document:
        yield from _transport(settings, discovery)
        if "check_session_iframe" in document:
            yield from _iframe(str(document["check_session_iframe"]), visits)
        yield from _page(settings, str(document.get("authorization_endpoint")), visits)


def _document(answer: Answer) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.body) if answer.status == 200 else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _issuer(settings: ServerSettings, where: str, status: int, found: object) -> Iterator[Finding]:
    if found != settings.issuer:
        yield Finding(
            Severity.PROBLEM,
            "issuer",
            f"{where} answers {status}" + (f" with the issuer {found}" if found else ""),
            "Clients refuse an OP whose document has another issuer (OpenID Connect Discovery 1.0, 4.3), or find no document.",
            "Let the proxy forward every path below the issuer to this server, with the path unchanged.",
        )


def _transport(settings: ServerSettings, answer: Answer) -> Iterator[Finding]:
    if settings.issuer.startswith("https:") and "strict-transport-security" not in answer.headers:
        yield Finding(
            Severity.WARNING,
            "issuer",
            "answers without Strict-Transport-Security, which the server sends",
            "An attacker on the network can divert a browser's first visit to http.",
            "Let the proxy keep the header.",
        )


def _iframe(where: str, visits: Visits) -> Iterator[Finding]:
    try:
        answer = visits.get(where)
    except NotReached as err:
        yield Finding(Severity.PROBLEM, "issuer", f"{where}: {err}", "No client sees changes of the session.", "Look at the proxy.")
        return
    refusal = refuses_frame(answer.headers, where, _ANY_RP)
    if answer.status != 200 or refusal:
        yield Finding(
            Severity.PROBLEM,
            "issuer",
            f"{where} " + (f"has {refusal}" if refusal else f"answers {answer.status}"),
            "Browsers do not show the OP iframe in clients' pages: no client sees changes of the session.",
            "The proxy must not add X-Frame-Options or Content-Security-Policy to this page; the server sends the right headers itself.",
        )


def _page(settings: ServerSettings, where: str, visits: Visits) -> Iterator[Finding]:
    """Examine a page that must not be framed, and its cookies: an authorization request without parameters."""
    try:
        answer = visits.get(where)
    except NotReached as err:
        yield Finding(Severity.PROBLEM, "issuer", f"{where}: {err}", "No user can sign in.", "Look at the proxy.")
        return
    if not refuses_frame(answer.headers, where, _ANY_RP):
        yield Finding(
            Severity.PROBLEM,
            "issuer",
            f"{where} allows every page to frame it, which the server forbids",
            "Another site's page can make users click on hidden content (clickjacking).",
            "The proxy must not change Content-Security-Policy and X-Frame-Options.",
        )
    yield from _cookies(settings, answer)


def _cookies(settings: ServerSettings, answer: Answer) -> Iterator[Finding]:
    name = settings.session.browser_state_cookie
    try:
        morsels = [morsel for key, morsel in SimpleCookie(answer.headers.get("set-cookie", "")).items() if key == name]
    except CookieError:
        morsels = []
    for morsel in morsels:
        is_cross_site = morsel["samesite"].lower() == "none" and bool(morsel["secure"])
        if settings.issuer.startswith("https:") and (not is_cross_site or morsel["httponly"]):
            yield Finding(
                Severity.PROBLEM,
                "session.browser_state_cookie",
                "does not arrive as the server sends it: SameSite=None, Secure, and no HttpOnly",
                "The OP iframe does not see it in other sites' pages.",
                "The proxy must not change Set-Cookie (nginx: no proxy_cookie_flags; HAProxy, Apache: no rewriting).",
            )

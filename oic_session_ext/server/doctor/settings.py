"""Checks of the settings: values that are suitable for trials or another machine, but not for production."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.settings import ServerSettings
from .finding import Finding, Severity

_SHORTEST_CODE_S = 10


def examine_settings(settings: ServerSettings) -> Iterator[Finding]:
    """Yield the findings that depend on the settings only."""
    yield from _issuer(settings)
    yield from _login(settings)
    if settings.store == "memory:":
        yield Finding(
            Severity.PROBLEM,
            "store",
            "is memory:",
            "When the server stops, all sessions, tokens, registered clients and pending logout notices are lost.",
            "Set a file, sqlite:///PATH, or a database.",
        )
    if settings.registration.mode == "open":
        yield Finding(
            Severity.WARNING,
            "registration.mode",
            "is open",
            "Every party can register a client and ask your users for consent under any name.",
            "Set it to token or off, unless the OP is intended for clients of unknown parties.",
        )
    if any(network.num_addresses > 2 ** (network.max_prefixlen - 8) for network in settings.logout.backchannel.allow_networks):
        yield Finding(
            Severity.WARNING,
            "logout.backchannel.allow_networks",
            "allows most addresses",
            "A registered client can make the OP send requests to addresses in your internal network.",
            "List only the networks in which your clients are.",
        )
    if settings.session.idle_timeout_s > settings.session.absolute_timeout_s:
        yield Finding(
            Severity.NOTE,
            "session.idle_timeout",
            "is longer than session.absolute_timeout",
            "No session ends because it is idle.",
            "Make it shorter, or leave it out.",
        )
    if settings.tokens.code_lifetime_s < _SHORTEST_CODE_S:
        yield Finding(
            Severity.WARNING,
            "tokens.code_lifetime",
            f"is {settings.tokens.code_lifetime_s} s",
            "A code may expire before a client on a slow connection redeems it.",
            "60s is usual.",
        )


def _issuer(settings: ServerSettings) -> Iterator[Finding]:
    if settings.issuer.startswith("http:"):
        yield Finding(
            Severity.WARNING,
            "issuer",
            "is http",
            "Cookies cannot be Secure, so browsers hide them from the OP iframe in every client that is on another site.",
            "Use https, except for trying it out on this machine.",
        )
        return
    if settings.is_on_loopback:
        yield Finding(Severity.NOTE, "issuer", "is on this machine", "Other machines cannot reach it.", "Use the OP's public name.")
    if settings.listen.tls is None and settings.listen.proxy is None:
        yield Finding(
            Severity.PROBLEM,
            "listen",
            "has neither tls nor proxy, and the issuer is https",
            "All users have the proxy's address: after a few wrong passwords of one user, no other user can sign in.",
            "Set the trusted proxies in listen.proxy.trusted, and the header that they set.",
        )
    if settings.listen.tls is not None and settings.listen.proxy is None and settings.listen.host in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            Severity.WARNING,
            "listen.host",
            f"is {settings.listen.host}",
            "Only this machine can reach the server, although it has TLS of its own.",
            "Set it to an address that users can reach, such as 0.0.0.0 or [::].",
        )


def _login(settings: ServerSettings) -> Iterator[Finding]:
    if settings.login.cheap_passwords_for_benchmarks:
        yield Finding(
            Severity.PROBLEM,
            "login.cheap_passwords_for_benchmarks",
            "is on",
            "Passwords are in the file in plain text, and can be guessed a thousand times as fast.",
            "Remove it, and write password_hash in place of password.",
        )
    if settings.logging.level == "debug":
        yield Finding(Severity.NOTE, "logging.level", "is debug", "The log grows fast.", "Set it to info.")
    if settings.metrics is None:
        yield Finding(
            Severity.NOTE,
            "metrics",
            "is not set",
            "You do not notice clients that do not receive logout notices until a user complains.",
            "Set it, or run `oic-session-ext notices list` regularly.",
        )

"""What the settings say that is good for trying out, or for another place than this one, but not for users."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.settings import ServerSettings
from .finding import Finding, Severity

_SHORTEST_CODE_S = 10


def examine_settings(settings: ServerSettings) -> Iterator[Finding]:
    """Yield what can be said by the settings alone."""
    yield from _issuer(settings)
    yield from _login(settings)
    if settings.store == "memory:":
        yield Finding(
            Severity.PROBLEM,
            "store",
            "is memory:",
            "When the server stops, all sessions, tokens, registered clients and logouts that are still to be told are lost.",
            "Name a file, sqlite:///PATH, or a database.",
        )
    if settings.registration.mode == "open":
        yield Finding(
            Severity.WARNING,
            "registration.mode",
            "is open",
            "Anybody may register a client, and ask your users for consent under any name.",
            "Set it to token or off, unless the OP is meant for strangers' clients.",
        )
    if any(network.num_addresses > 2 ** (network.max_prefixlen - 8) for network in settings.logout.backchannel.allow_networks):
        yield Finding(
            Severity.WARNING,
            "logout.backchannel.allow_networks",
            "allows most addresses",
            "Whoever registers a client can have the OP call addresses inside of your network.",
            "Name the networks in which your clients are.",
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
            "A code has run out before a client on a slow line has redeemed it.",
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
        yield Finding(Severity.NOTE, "issuer", "is on this machine", "Nobody else reaches it.", "Use the name by which users reach the OP.")
    if settings.listen.tls is None and settings.listen.proxy is None:
        yield Finding(
            Severity.PROBLEM,
            "listen",
            "has neither tls nor proxy, and the issuer is https",
            "All users seem to come from the proxy's address: after a few wrong passwords of one the others cannot sign in either.",
            "Say which proxies are trusted: listen.proxy.trusted, with the header that they set.",
        )
    if settings.listen.tls is not None and settings.listen.proxy is None and settings.listen.host in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            Severity.WARNING,
            "listen.host",
            f"is {settings.listen.host}",
            "The server is reached from this machine alone, though it speaks TLS itself.",
            "Set it to the address that users reach, such as 0.0.0.0 or [::].",
        )


def _login(settings: ServerSettings) -> Iterator[Finding]:
    if settings.login.cheap_passwords_for_benchmarks:
        yield Finding(
            Severity.PROBLEM,
            "login.cheap_passwords_for_benchmarks",
            "is on",
            "Passwords stand in the file in plain text, and are guessed a thousand times as fast.",
            "Remove it, and write password_hash in place of password.",
        )
    if settings.logging.level == "debug":
        yield Finding(Severity.NOTE, "logging.level", "is debug", "The log grows fast.", "Set it to info.")
    if settings.metrics is None:
        yield Finding(
            Severity.NOTE,
            "metrics",
            "is not set",
            "You do not see clients that are not told of logouts until somebody complains.",
            "Set it, or look at `oic-session-ext notices list` now and then.",
        )

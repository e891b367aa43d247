"""The headers of every page: what the browser may load, frame, send and keep (SEC-01, SEC-11, RFC 9700 4.16).

The check-session iframe is no page in this sense: it must be framed and cached, and has headers of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

ANY_TARGET = "*"
"""As the only form target: where the form's redirects lead is not known, so they are not restricted."""

_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
NEVER_A_TARGET = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"})
"""Schemes that lead to script, to what somebody wrote into the URI itself, or to the user's own files."""


def page_headers(
    *,
    has_form: bool,
    has_script: bool,
    form_targets: Iterable[str] = (),
    frame_src: Iterable[str] = (),
    img_src: Iterable[str] = (),
) -> list[tuple[str, str]]:
    """The complete headers of an HTML page, Content-Type included.

    `form_targets`, `frame_src` and `img_src` are URIs, of which the origin is used; see `content_security_policy`.
    """
    policy = content_security_policy(has_script=has_script, form_targets=form_targets, frame_src=frame_src, img_src=img_src)
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        ("X-Frame-Options", "DENY"),
        ("Cache-Control", "no-store"),
        # Under no-referrer a browser sends "Origin: null" with a form, so a check of Origin would refuse our own forms, and an
        # RP would refuse the OP's form_post. strict-origin sends the true Origin and, as Referer, no path and no query.
        ("Referrer-Policy", "strict-origin" if has_form else "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        # No Cross-Origin-Opener-Policy: an RP that signs in through a popup would find window.opener gone.
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]


def content_security_policy(*, has_script: bool, form_targets: Iterable[str], frame_src: Iterable[str], img_src: Iterable[str] = ()) -> str:
    """A policy under which a page loads its own stylesheet, images and (if it has one) script, and nothing else but what is named.

    `form_targets`: Chromium applies `form-action` to every redirect that answers a form, so a page whose form ends in a redirect
    to an RP names that RP's URI here. An RP that redirects on, to an origin not named, is blocked there; `("*",)` leaves
    `form-action` out and lets it.
    """
    targets = list(form_targets)
    directives = ["default-src 'none'", "style-src 'self'", " ".join(["img-src 'self'", *_sources(img_src)])]
    if has_script:
        directives.append("script-src 'self'")
    if frames := _sources(frame_src):
        directives.append(" ".join(["frame-src", *frames]))
    directives += ["base-uri 'none'", "frame-ancestors 'none'"]
    if ANY_TARGET not in targets:
        directives.append(" ".join(["form-action 'self'", *_sources(targets)]))
    return "; ".join(directives)


def csp_source(uri: str) -> str | None:
    """The narrowest CSP source that covers `uri`; None when it has none or must not have one.

    An origin for http(s), `scheme:` for the private scheme of a native application (RFC 8252, 7.1). A relative URI is
    covered by `'self'` and has none.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or parts.scheme in NEVER_A_TARGET:
        return None
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}:"
    if host is None:
        return None
    if ":" in host:
        return f"{parts.scheme}:"  # the CSP grammar has no way to write an IPv6 address
    if not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"


def _sources(uris: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(source for uri in uris if (source := csp_source(uri)) is not None))

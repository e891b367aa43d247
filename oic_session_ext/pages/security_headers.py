"""The headers of every page: what the browser may load, frame, send and store (SEC-01, SEC-11, RFC 9700 4.16).

The check-session iframe is not such a page: it must be framed and cached, and has its own headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

ANY_TARGET = "*"
"""As the only form target: the targets of the form's redirects are unknown and therefore not restricted."""

_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
NEVER_A_TARGET = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"})
"""Schemes that run scripts, show content from the URI itself, or open the user's own files."""


def page_headers(
    *,
    has_form: bool,
    has_script: bool,
    form_targets: Iterable[str] = (),
    frame_src: Iterable[str] = (),
    img_src: Iterable[str] = (),
) -> list[tuple[str, str]]:
    """Return the complete headers of an HTML page, including Content-Type.

    The origins of the URIs `form_targets`, `frame_src` and `img_src` are used; see `content_security_policy`.
    """
    policy = content_security_policy(has_script=has_script, form_targets=form_targets, frame_src=frame_src, img_src=img_src)
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        ("X-Frame-Options", "DENY"),
        ("Cache-Control", "no-store"),
        # With no-referrer, a browser sends "Origin: null" with a form: a check of Origin would refuse the OP's own forms, and
        # an RP would refuse the OP's form_post. strict-origin sends the real Origin, and a Referer without path and query.
        ("Referrer-Policy", "strict-origin" if has_form else "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        # No Cross-Origin-Opener-Policy: in an RP's sign-in popup, window.opener would be null.
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]


def content_security_policy(*, has_script: bool, form_targets: Iterable[str], frame_src: Iterable[str], img_src: Iterable[str] = ()) -> str:
    """Return a policy for a page with its own stylesheet, images and script (if it has one), and the given URIs only.

    `form_targets`: Chromium applies `form-action` to every redirect after a form, so that a page whose form redirects to an RP
    needs that RP's URI here. A further redirect by the RP to another origin is blocked; `("*",)` omits `form-action` and
    allows it.
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
    """Return the narrowest CSP source that matches `uri`; None if it has none or must not have one.

    The source is an origin for http(s), and `scheme:` for the private scheme of a native application (RFC 8252, 7.1). A
    relative URI has none, because `'self'` matches it.
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
        return f"{parts.scheme}:"  # the CSP grammar cannot express an IPv6 address
    if not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"


def _sources(uris: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(source for uri in uris if (source := csp_source(uri)) is not None))

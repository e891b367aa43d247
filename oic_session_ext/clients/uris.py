"""Which URIs a client may register: where the browser is sent, and where the OP itself goes to (OIDCREG-2, RFC 8252)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

from ..web.origin import origin_of
from ..web.uri import LOOPBACK_HOSTS, _split

# A browser runs or shows these itself instead of sending a request.
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem"})


_LOOPBACK_REDIRECT = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(?P<rest>/[^#]*)?")


@dataclass(frozen=True, slots=True)
class UriRules:
    """What is allowed for the kind of client that it is.

    `permits_http` is whether the OP lets this client use `http` on other hosts than this machine; `has_tokens_in_browser` that one of
    its flows brings tokens through the browser.
    """

    is_public: bool
    is_native: bool
    permits_http: bool = False
    has_tokens_in_browser: bool = False

    @classmethod
    def of(cls, metadata: Mapping[str, Any], *, permits_http: bool = False) -> UriRules:
        """Return the rules for a client by its metadata (RFC 7591 names)."""
        return cls(
            is_public=metadata.get("token_endpoint_auth_method") == "none",
            is_native=metadata.get("application_type") == "native",
            permits_http=permits_http,
            has_tokens_in_browser=any(kind != "code" for kind in metadata.get("response_types") or ()),
        )

    def redirect_problem(self, uri: str) -> str:
        """Return what is wrong with a URI that the browser is sent to after sign-in, an empty string when nothing is."""
        return self._browser_problem(uri, is_redirect=True)

    def post_logout_problem(self, uri: str) -> str:
        """Return what is wrong with a URI that the browser is sent to after logout, an empty string when nothing is (OIDCRIL-3.1)."""
        return self._browser_problem(uri, is_redirect=False)

    def logout_problem(self, uri: str) -> str:
        """Return what is wrong with a front- or back-channel logout URI, an empty string when nothing is (OIDCFCL-2, OIDCBCL-2.2)."""
        parts, problem = _split(uri)
        if parts is None:
            return problem
        if parts.scheme not in ("http", "https"):
            return "must be https"
        if parts.scheme == "http" and self.is_public:
            return "must be https: http is for confidential clients"
        return self._http_problem(parts)

    def _browser_problem(self, uri: str, *, is_redirect: bool) -> str:
        parts, problem = _split(uri)
        if parts is None:
            return problem
        if parts.scheme in _NEVER:
            return f"must not have the scheme {parts.scheme}:"
        try:
            origin_of(uri)
        except ValueError as err:
            return f"must be a URI whose origin browsers agree on: {err}"
        if parts.scheme in ("http", "https"):
            if parts.scheme == "http" and is_redirect and not self.is_native and self.has_tokens_in_browser:
                return "must be https: tokens would travel through the browser (OIDCREG-2, application_type)"
            if parts.scheme == "http" and not is_redirect and self.is_public and not self.is_native:
                return "must be https: http is for confidential clients and for native applications on this machine"
            return self._http_problem(parts)
        if not self.is_native:
            return "must be https; an app's own scheme needs application_type: native"
        if "." not in parts.scheme:
            return "must have a scheme named after a domain, such as com.example.app:/callback (RFC 8252, 7.1)"
        return ""

    def _http_problem(self, parts: SplitResult) -> str:
        if parts.scheme == "https" or parts.hostname in LOOPBACK_HOSTS:
            return ""
        if self.is_public:
            return "must be https: http is for confidential clients and for this machine"
        return "" if self.permits_http else "must be https; a confidential client may use http with allow_http: true"


def is_registered_redirect(uri: str, registered: Collection[str]) -> bool:
    """Return whether a redirect URI is one of a client's: the same text, never decoded first (RFC 9700, 2.1).

    The port of an http URI on a loopback address may be any, because a native application asks its system for one when it starts
    (RFC 8252, 7.3: MUST). `localhost` is a name and not an address: it is compared as text, like every other host.
    """
    if uri in registered:
        return True
    match = _LOOPBACK_REDIRECT.fullmatch(uri)
    return match is not None and any(
        (known := _LOOPBACK_REDIRECT.fullmatch(one)) is not None and known.group("host", "rest") == match.group("host", "rest")
        for one in registered
    )

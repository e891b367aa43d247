"""Answers at the seam, as `oic.utils.http_util.Response` objects that any web framework's glue can already send."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from oic.utils.http_util import Response

from ...errors import InvalidClient, InvalidToken, ProtocolError, StoreError, TemporarilyUnavailable
from ...pages import Page

logger = logging.getLogger("oic_session_ext")

NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
NO_SNIFF = ("X-Content-Type-Options", "nosniff")
"""No browser takes what is sent for a page, whatever a peer has put into it."""


class RawResponse(Response):
    """A response whose body is sent as it is: pyoidc's own rewrites `<script>` in any body.

    `headers` hold the content type too.
    """

    def __init__(self, body: bytes, status: int, headers: Sequence[tuple[str, str]]) -> None:
        super().__init__(body, status_code=status)
        self.headers = list(headers)

    def _response(self, message: bytes = b"", **kwargs: Any) -> list[bytes]:
        return [message]


class RedirectResponse(RawResponse):
    """A 303 to a URI that has been checked (RFC 9700, 4.12: never 307, which would repeat a form's body)."""

    def __init__(self, location: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(
            b"", 303, [("Location", location), ("Content-Type", "text/plain"), ("Referrer-Policy", "no-referrer"), *NO_STORE, *headers]
        )
        self.location = location


def page_response(page: Page) -> RawResponse:
    """Return a page for people."""
    return RawResponse(page.body, page.status, page.headers)


def json_response(value: Mapping[str, Any], status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> RawResponse:
    """Return JSON for programs, never cached."""
    return RawResponse(json.dumps(value).encode(), status, [("Content-Type", "application/json"), NO_SNIFF, *NO_STORE, *headers])


def unavailable(where: str, error: StoreError) -> TemporarilyUnavailable:
    """Return what a request is refused with when the store could not be reached, or kept changing under it; nothing was kept."""
    logger.warning("%s: the store did not keep it: %s", where, error)
    return TemporarilyUnavailable("the service cannot answer at the moment, please try again")


def retry_after(error: ProtocolError) -> list[tuple[str, str]]:
    """Return the header with the time of the next try, none if that would not help."""
    return [("Retry-After", str(error.retry_after_s))] if isinstance(error, TemporarilyUnavailable) else []


def json_error(error: ProtocolError, *, realm: str, tried: str | None = None) -> RawResponse:
    """Return the JSON of an error (RFC 6749, 5.2), with `WWW-Authenticate` where a 401 needs it.

    `tried` is the Authorization header by which a client authenticated, None if it sent none: the challenge names the scheme
    that was tried, and Basic, the one that a client can go on with here, when there was none or an unknown one.
    """
    body = {"error": error.error, "error_description": error.description}
    headers = retry_after(error)
    if isinstance(error, InvalidToken):
        headers.append(("WWW-Authenticate", f'Bearer realm="{realm}", error="{error.error}", error_description="{error.description}"'))
    elif isinstance(error, InvalidClient) and error.status == 401:
        scheme = "Bearer" if (tried or "").lower().startswith("bearer ") else "Basic"
        headers.append(("WWW-Authenticate", f'{scheme} realm="{realm}"'))
    return json_response(body, error.status, headers)


def bearer_refusal(error: ProtocolError, *, realm: str, names_error: bool) -> RawResponse:
    """Return the JSON of an error of a request that should have come with a good access token, with its challenge (RFC 6750, 3).

    `names_error` is whether the challenge names the error: not if no token was sent.
    """
    challenge = f'Bearer realm="{realm}"'
    if names_error:
        challenge += f', error="{error.error}", error_description="{error.description}"'
    if error.error == "insufficient_scope":
        challenge += ', scope="openid"'
    body = {"error": error.error, "error_description": error.description}
    return json_response(body, error.status, [("WWW-Authenticate", challenge)])


def authorization_location(redirect_uri: str, parameters: Mapping[str, Any], mode: str) -> str:
    """Return where an authorization response goes: parameters in the query or the fragment, the URI's own query kept."""
    encoded = urlencode(parameters, quote_via=quote)
    if mode == "fragment":
        return f"{redirect_uri}#{encoded}"
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{encoded}"

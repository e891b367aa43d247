"""Request objects by reference: which URIs a client may register, and how what is behind one is fetched (OIDCC-6.2, RFC 9101, 5.2).

The fragment of such a URI is no part of its address. It is a mark of the content, best its SHA-256: then the content can be kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from ..crypto import jose
from ..crypto.jose import MAX_TOKEN_LENGTH
from ..settings import RequestObjectSettings
from ..validation import Problem
from ..web.address_guard import AddressGuard
from ..web.guarded_fetch import FetchFailed, GuardedFetch
from ..web.uri import fetched_problem

MAX_REQUEST_URI_LENGTH = 512
"""Characters (OIDCC-6.2: the URI MUST NOT exceed it)."""

MAX_REQUEST_URIS = 20
"""How many a client may register."""

FETCH_TIMEOUT_S = 3.0
"""How long a fetch may take as a whole: the user's browser waits for it."""

_ACCEPT = "application/oauth-authz-req+jwt, application/jwt;q=0.9, */*;q=0.1"
_FRAGMENT = re.compile(r"[A-Za-z0-9_-]{1,128}=?")
_MOST_KEPT = 64


def request_uri_problem(uri: str) -> str:
    """Return what is wrong with a URI that the OP is to fetch request objects from, an empty string when nothing is."""
    if len(uri) > MAX_REQUEST_URI_LENGTH:
        return f"must have at most {MAX_REQUEST_URI_LENGTH} characters"
    address, mark, fragment = uri.partition("#")
    if mark and not _FRAGMENT.fullmatch(fragment):
        return "must have no fragment, or the base64url of its content's SHA-256"
    return fetched_problem(address)


def is_registered_request_uri(uri: str, client: Mapping[str, Any]) -> bool:
    """Return whether a client has registered this address, character by character; the fragment may be another (OIDCREG-2)."""
    address = _address(uri)
    return any(isinstance(one, str) and _address(one) == address for one in client.get("request_uris") or ())


class RequestUriFetch:
    """Fetches request objects each time anew, but for those that the fragment names by their hash: they cannot have changed."""

    def __init__(self, fetch: GuardedFetch) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, str] = OrderedDict()

    def object_at(self, uri: str) -> str:
        """Return the request object. Raises: FetchFailed: it cannot be had, or is too large to be one.

        A fragment that is not the hash only keeps the object from being kept: clients register URIs before they know what they will
        ask for, and the specification has no more meaning for it than "this is another version".
        """
        with self._lock:
            if (known := self._kept.get(uri)) is not None:
                self._kept.move_to_end(uri)
                return known
        text = self._fetch.ascii(_address(uri), _ACCEPT).strip()
        if len(text) > MAX_TOKEN_LENGTH:
            raise FetchFailed("is too large")
        if _is_hash_of(uri.partition("#")[2], text):
            with self._lock:
                self._kept[uri] = text
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return text


def _address(uri: str) -> str:
    return uri.partition("#")[0]


def _is_hash_of(fragment: str, text: str) -> bool:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(fragment.rstrip("=").encode(), digest)


REQUEST_OBJECT_ALGS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
    *("HS256", "HS384", "HS512"),
)
"""What a request object may be signed with."""


def algs_for(settings: RequestObjectSettings) -> list[str]:
    """Return the algorithms that request objects may have, `none` for unsigned ones where the settings allow them."""
    return [*REQUEST_OBJECT_ALGS, *(["none"] if settings.unsigned else [])]


def request_object_problems(
    metadata: Mapping[str, Any], settings: RequestObjectSettings, guard: AddressGuard | None = None
) -> Iterator[Problem]:
    """Yield what a client may not register about its request objects at an OP with these settings (OIDCREG-2).

    `guard` judges the addresses of a client who registers itself; None where a deployer's word is enough until they are fetched from.
    """
    uris = metadata.get("request_uris") or ()
    if len(uris) > MAX_REQUEST_URIS:
        yield ("request_uris",), f"must be at most {MAX_REQUEST_URIS}"
    for index, uri in enumerate(uris):
        if problem := request_uri_problem(uri) or (guard and guard.refuses_uri(uri.partition("#")[0])):
            yield ("request_uris", index), problem
    alg = metadata.get("request_object_signing_alg")
    if alg is None:
        return
    if alg == "none" and not settings.unsigned:
        yield ("request_object_signing_alg",), "must not be none: unsigned request objects are not taken here"
    elif alg not in algs_for(settings):
        yield ("request_object_signing_alg",), f"must be one of {', '.join(algs_for(settings))}"
    elif alg in jose.ASYMMETRIC_ALGS and not (metadata.get("jwks") or metadata.get("jwks_uri")):
        yield ("request_object_signing_alg",), f"{alg} needs jwks or jwks_uri: the client's key to verify with"

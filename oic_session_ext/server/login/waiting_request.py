"""An authorization request that waits for the user travels in the page's form, sealed, so that no server keeps it.

No number of open pages fills the store, tabs cannot overwrite each other's request, and a page may stay open as long as its browser
keeps it.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets as random
from dataclasses import asdict, dataclass
from urllib.parse import parse_qsl, urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...clock import Clock
from ...crypto.secret_ring import SecretRing

_PURPOSE = "waiting requests"
_NONCE_BYTES = 12
_SIGNED_IN_S = 600
"""For how long a sign-in that a request asked for answers it: the time that a user has for the consent page after it."""

PARAMETERS = frozenset(
    {
        *("acr_values", "claims", "claims_locales", "client_id", "code_challenge", "code_challenge_method", "display", "id_token_hint"),
        *("login_hint", "max_age", "nonce", "prompt", "redirect_uri", "response_mode", "response_type", "scope", "state", "ui_locales"),
    }
)
"""The parameters of an authorization request that are kept; a request object has been merged into them before."""


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """An authorization request that waits for an answer of the user.

    Attributes:
        query: The request's parameters; "" for a sign-in that no client asked for.
        asked_of: The id of the OP session whose user the page asks, None if it asks for a sign-in.
        signed_in: The browser in which the user has signed in for this very request, None if that is still to come.
        signed_in_at: When that was (UTC seconds).
    """

    query: str
    asked_of: str | None = None
    signed_in: str | None = None
    signed_in_at: int = 0

    def is_signed_in(self, browser_id: str, now: int) -> bool:
        """Return whether the user has just signed in for this request, in this browser."""
        return self.signed_in == browser_id and 0 <= now - self.signed_in_at < _SIGNED_IN_S


class WaitingRequests:
    """Seals waiting requests for forms and opens them again; any of the shared secrets may have sealed one."""

    def __init__(self, secrets: SecretRing, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    def seal(self, request: WaitingRequest) -> str:
        """Return the form's field for a request."""
        nonce = random.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._secrets.derive(_PURPOSE)).encrypt(nonce, json.dumps(asdict(request)).encode(), None)
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, field: str) -> WaitingRequest | None:
        """Return the request of a form's field, None if this OP did not seal it."""
        try:
            sealed = base64.b64decode(field.encode("ascii") + b"=" * (-len(field) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        for key in self._secrets.derive_all(_PURPOSE):
            try:
                return WaitingRequest(**json.loads(AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)))
            except (InvalidTag, ValueError):
                continue
        return None


def known_parameters(query: str) -> str:
    """Return the query of an authorization request without the parameters that no server looks at."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in pairs if name.partition("#")[0] in PARAMETERS])

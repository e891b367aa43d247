"""`session_state`: what an RP gets with every authentication response and asks the OP iframe about (OIDCSM-2, -3.2).

`check_session.js` computes the same hash in the browser, from the client's name, the asking page's origin and the
`op_browser_state` cookie; so what stands here must agree with it, and with browsers on how an origin is written.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256

from ..web.origin import origin_of

# Space and dot separate the parts; everything else that an RP may send back as text is some OP's salt.
_SESSION_STATE = re.compile(r"[0-9a-f]{64}\.([!-\-/-~]+)")


def issue_session_state(client_id: str, redirect_uri: str, op_browser_state: str, salt: str | None = None) -> str:
    """Return a `session_state` for a response to `redirect_uri`, with a salt of its own: a random one, or `salt`.

    The salt is new each time, so that no user can be recognised by the values of failed requests (SM-07); all values made
    from one `op_browser_state` stay good together (SM-08).

    Raises: ValueError: `redirect_uri` has no origin, see `origin_of`.
    Spec: OIDCSM-2, OIDCSM-3.2
    """
    return compute_session_state(client_id, origin_of(redirect_uri), op_browser_state, salt or secrets.token_urlsafe(16))


def compute_session_state(client_id: str, origin: str, op_browser_state: str, salt: str) -> str:
    """Return `sha256(client_id SP origin SP op_browser_state SP salt) "." salt`, the hash in lower-case hex (SM-04)."""
    digest = sha256(f"{client_id} {origin} {op_browser_state} {salt}".encode()).hexdigest()
    return f"{digest}.{salt}"


def salt_of(session_state: str) -> str | None:
    """Return the salt of a `session_state`, None for anything malformed."""
    match = _SESSION_STATE.fullmatch(session_state)
    return None if match is None else match[1]


def verify_session_state(value: str, client_id: str, origin: str, op_browser_state: str) -> bool:
    """Return whether `value` was made from these three, whatever its salt; False for anything malformed."""
    salt = salt_of(value)
    if salt is None:
        return False
    try:
        expected = compute_session_state(client_id, origin, op_browser_state, salt)
    except UnicodeEncodeError:  # a lone surrogate from half-decoded input: no such client exists
        return False
    return hmac.compare_digest(expected, value)

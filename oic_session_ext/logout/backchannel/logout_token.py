"""The claims of a Logout Token (OIDCBCL-2.4). The provider signs it."""

from __future__ import annotations

import secrets
from typing import Any

from ...model import LogoutNotice

BACKCHANNEL_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_TYP = "logout+jwt"


def logout_token_claims(notice: LogoutNotice, *, issuer: str, now: int, lifetime_s: int) -> dict[str, Any]:
    """Return the claims of the Logout Token for one ended RP session.

    Both `sub` and `sid`, as in this client's ID Tokens: the session of this `sid` ended, the user's others did not (BC-04). Never a
    `nonce`, so that it cannot pass for an ID Token. Each call gives another `jti`, of 128 random bits.
    """
    return {
        "iss": issuer,
        "aud": notice.client_id,
        "iat": now,
        "exp": now + lifetime_s,
        "jti": secrets.token_urlsafe(16),
        "events": {BACKCHANNEL_LOGOUT_EVENT: {}},
        "sub": notice.sub,
        "sid": notice.sid,
    }

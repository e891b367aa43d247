"""pyoidc's own functions for logout are disabled: a page of the adopter's that still calls one would undo what our endpoint protects.

pyoidc accepts a logout statement that any client signed, ends every session of a user on every device, writes pages and frames without
escaping, and signs Logout Tokens that no RP can match. Code that ended sessions with these functions calls
`oic_session_ext.sessions.administration`.
"""

from __future__ import annotations


def disabled(name: str) -> NotImplementedError:
    """Return the error that a disabled function of pyoidc raises."""
    return NotImplementedError(f"{name}: sessions end at the end-session endpoint, or by oic_session_ext.sessions.administration")

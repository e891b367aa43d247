"""Example records for tests of a store engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..model import Channel, Grant, LogoutNotice, OpSession, Reason, RpSession

NOW = 1_700_000_000
"""The instant of the example records."""


def example_op_session(name: str = "one", **fields: Any) -> OpSession:
    """Return an OP session whose id, cookie and secrets are derived from `name`; `fields` replace the defaults."""
    session = OpSession(
        id=f"id-{name}",
        cookie_digest=f"cookie-{name}",
        uid="alice",
        auth_time=NOW,
        acr="password",
        op_browser_state=f"state-{name}",
        sid_seed=f"seed-{name}",
        created_at=NOW,
        last_active_at=NOW,
        idle_expires_at=NOW + 100,
        expires_at=NOW + 1000,
    )
    return replace(session, **fields)


def example_rp_session(name: str = "one", client_id: str = "rp-a", **fields: Any) -> RpSession:
    """Return the RP session of a client in the OP session of this name; `fields` replace the defaults."""
    return replace(RpSession(sid=f"sid-{name}-{client_id}", client_id=client_id, sub=f"alice-at-{client_id}", created_at=NOW), **fields)


def example_grant(name: str = "one", **fields: Any) -> Grant:
    """Return a grant without an OP session; `fields` replace the defaults."""
    grant = Grant(
        id=f"grant-{name}",
        client_id="rp-a",
        uid="alice",
        sub="alice-at-rp-a",
        op_session_id=None,
        sid=None,
        data={"scope": ["openid", "email"], "authn_event": {"uid": "alice"}, "revoked": False, "nonce": None},
        created_at=NOW,
        expires_at=NOW + 1000,
    )
    return replace(grant, **fields)


def example_notice(name: str = "one", **fields: Any) -> LogoutNotice:
    """Return a back-channel logout notice to a client; `fields` replace the defaults."""
    notice = LogoutNotice(
        id=f"notice-{name}",
        channel=Channel.BACKCHANNEL,
        client_id="rp-a",
        uid="alice",
        sub="alice-at-rp-a",
        sid="sid-one-rp-a",
        reason=Reason.RP_INITIATED,
        ended_at=NOW,
        due_at=NOW,
    )
    return replace(notice, **fields)

"""Front-Channel Logout 1.0, the OP's part: the URI that the user's browser loads in an iframe, so that the RP signs the user out.

`plan_frontchannel` decides which clients have one; the logout page frames it. The OP cannot know whether it worked in the browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..clients.registry import ClientRegistry
from ..model import OpSession, RpSession
from ..settings import DeliverySettings
from ..web.parameters import with_parameters
from ..web.uri import LOOPBACK_HOSTS, split_absolute_uri

_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def frontchannel_frame(rp: RpSession, metadata: Mapping[str, Any], issuer: str) -> str | None:
    """Return the URI to frame for one RP session, None when what the client registered cannot be framed.

    The registered URI is kept byte for byte; `iss` and `sid` follow, both or neither (OIDCFCL-2: MUST), and nothing else. They are
    left off only for a client with `frontchannel_logout_add_session: false`, and not even then when it registered
    `frontchannel_logout_session_required`.

    Registration lets no bad URI in. It is looked at once more, since a frame is what would do the harm, and since a page that says
    "asked" must not frame what the browser will refuse: plain http inside of an https page, loopback excepted.
    """
    uri = metadata.get("frontchannel_logout_uri")
    if not isinstance(uri, str) or not _is_frameable(uri, issuer):
        return None
    if metadata.get("frontchannel_logout_add_session", True) or metadata.get("frontchannel_logout_session_required"):
        return with_parameters(uri, iss=issuer, sid=rp.sid)
    return uri


def _is_frameable(uri: str, issuer: str) -> bool:
    try:
        parts = split_absolute_uri(uri)
    except ValueError:
        return False
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not (_HOST_NAME.fullmatch(host) or ":" in host):  # ":" is an IPv6 address
        return False
    return parts.scheme == "https" or not issuer.startswith("https:") or host in LOOPBACK_HOSTS


def plan_frontchannel(session: OpSession, clients: ClientRegistry, settings: DeliverySettings) -> list[tuple[RpSession, Mapping[str, Any]]]:
    """Return the RP sessions whose clients registered a front-channel logout URI, each with the client's metadata (FC-01, FC-02)."""
    if not settings.frontchannel:
        return []
    found = [(rp, clients.get(rp.client_id) or {}) for rp in session.rp_sessions]
    return [(rp, metadata) for rp, metadata in found if metadata.get("frontchannel_logout_uri")]

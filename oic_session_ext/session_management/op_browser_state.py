"""What the OP keeps in a browser: the OP session's secret, which no script sees, and `op_browser_state`, which the iframe reads.

Both cookies are written and read by one `CookiePolicy`, whose rules follow from the issuer
(docs/adr/0001-op-browser-state-and-cookies.md).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from ..errors import Conflict
from ..sessions.op_session import new_op_browser_state
from ..settings import SessionManagementSettings
from ..store.base import Store
from ..store.changes import ClaimFact

_UNAUTHENTICATED = b"oic_session_ext op_browser_state of nobody"
_FACT = "op_browser_state of nobody"


def unauthenticated_op_browser_state(settings: SessionManagementSettings, store: Store) -> str:
    """Return the `op_browser_state` of browsers in which no user is signed in: the same on every server of a cluster (SM-18).

    The first server that asks makes it; it is a fact of the store from then on, whatever secrets are rotated: a change of it would make
    every RP that watches ask. With `settings.unauthenticated_key` it is derived from that instead, so that the configured text itself is
    not in every visitor's cookies.
    """
    if settings.unauthenticated_key is not None:
        digest = hmac.digest(settings.unauthenticated_key.encode(), _UNAUTHENTICATED, "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    known = store.fact(_FACT)
    if known is None:
        known = new_op_browser_state()
        try:
            store.commit([ClaimFact(_FACT, known)])
        except Conflict:  # another server was first
            known = store.fact(_FACT) or known
    return known


def may_write_browser_state(headers: Mapping[str, str], carried_valid_session: bool) -> bool:
    """Return whether an answer to a request with these headers may set `op_browser_state`.

    A browser that partitions third-party cookies (Firefox) would keep a value set from inside another site's page in a jar of
    its own. The iframe would read that stale twin for good and answer `changed` for ever. So the request must be a top-level
    navigation, or from the same site, or one with access to the real cookies: reported by `Sec-Fetch-Storage-Access: active` or shown
    by `carried_valid_session` (a live OP session came with it). Browsers that send no fetch metadata are too old to have such jars.
    """
    if carried_valid_session:
        return True
    fetch = {name.lower(): value for name, value in headers.items() if name.lower().startswith("sec-fetch-")}
    if not fetch:
        return True
    return (
        fetch.get("sec-fetch-dest") == "document"
        or fetch.get("sec-fetch-site") in ("same-origin", "same-site")
        or fetch.get("sec-fetch-storage-access") == "active"
    )

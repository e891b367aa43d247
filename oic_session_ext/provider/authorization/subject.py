"""The `sub` by which a client knows a user (OIDCC-8)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from oic.utils.sdb import pairwise_id


def sub_of(uid: str, client: Mapping[str, Any]) -> str:
    """Return the `sub` by which a client knows a user, as pyoidc's `do_sub` makes it."""
    if client.get("subject_type", "public") == "public":
        return sha256(uid.encode()).hexdigest()
    return str(pairwise_id(uid, client.get("sector_id", ""), client.get("client_salt", "")))

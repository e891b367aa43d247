"""Pairwise subjects of clients that register at pyoidc's own endpoint (OIDCC-8.1).

pyoidc gives each client a salt of its own, so that two clients of one sector know a user by two names. What a client's subjects are made
from stands in its registration and never changes there (docs/adr/0014-pairwise-subjects.md).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ...crypto.secret_ring import SecretRing
from ..client_database import full_uri

_MAKES_SUBJECTS = ("sector_id", "client_salt")


def sector_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the host that stands for a client's sector: of its `sector_identifier_uri`, or of its redirect URIs; None for no host."""
    uri = metadata.get("sector_identifier_uri") or full_uri(metadata["redirect_uris"][0])
    try:
        return urlsplit(str(uri)).hostname
    except ValueError:
        return None


def join_sector(client: MutableMapping[str, Any], clients: Iterable[tuple[str, Any]], secrets: SecretRing) -> None:
    """Let a new client know users by the `sub` that the other pairwise clients of its sector know them by.

    `clients` are those registered before, of which the oldest of the sector decides: the subjects that it was given stay as they are. For
    the first one of a sector the salt comes from the shared secret, so that two who come at once, at two servers, get the same.
    """
    sector = sector_of(client)
    others = [
        (one.get("client_id_issued_at", 0), client_id, one) for client_id, one in clients if _is_pairwise(one) and sector_of(one) == sector
    ]
    if others:
        first = min(others, key=lambda other: other[:2])[2]
        made_from = {name: first[name] for name in _MAKES_SUBJECTS if name in first}
    else:
        made_from = {"sector_id": sector, "client_salt": urlsafe_b64encode(secrets.derive("pairwise subjects")).rstrip(b"=").decode()}
    for name in _MAKES_SUBJECTS:
        client.pop(name, None)
    client.update(made_from)


def _is_pairwise(client: Any) -> bool:
    return isinstance(client, Mapping) and client.get("subject_type") == "pairwise" and bool(client.get("redirect_uris"))

"""How the use cases learn about clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ClientRegistry(Protocol):
    """Knows the registered clients, static and dynamic."""

    def get(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's metadata, None when it is not registered.

        The names are those of registration: `client_name`, `client_secret`, `id_token_signed_response_alg`,
        `frontchannel_logout_uri`, `backchannel_logout_uri` and so on; `post_logout_redirect_uris` is a list of
        strings, each exactly as it was registered.
        """
        ...

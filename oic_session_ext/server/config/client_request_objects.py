"""Authentication of a client's request objects: part of its settings and of dynamic registration (OIDCREG-2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ...clients.request_uris import MAX_REQUEST_URIS
from ...crypto.jose import MAC_ALGS
from ...validation import Problem
from .types import SettingsSection

RequestUri = Annotated[str, Field(min_length=1, max_length=2000)]
SigningAlg = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "none"
]  # fmt: skip


class ClientRequestObjects(SettingsSection):
    """The metadata on request objects in a client's settings."""

    request_object_signing_alg: SigningAlg | None = None
    """The only algorithm with which the client may sign its request objects; without it, any. `none` needs `request_objects.unsigned`."""

    request_uris: Annotated[tuple[RequestUri, ...], Field(min_length=1, max_length=MAX_REQUEST_URIS)] | None = None
    """The https URIs from which the client's request objects may be fetched, compared character by character up to the fragment
    (OIDCC-6.2)."""

    def request_object_secret_problems(self, secret: str) -> Iterator[Problem]:
        """Yield a secret that is too short for the MAC of the client's request objects; "" means no secret."""
        alg = self.request_object_signing_alg or ""
        if alg in MAC_ALGS and len(secret) < int(alg[2:]) // 8:
            yield ("request_object_signing_alg",), f"{alg} needs a client_secret of at least {int(alg[2:]) // 8} characters (RFC 7518, 3.2)"

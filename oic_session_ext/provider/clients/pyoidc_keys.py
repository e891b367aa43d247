"""Clients' keys for pyoidc, which would fetch any `jwks_uri` unguarded and encrypt with RSA1_5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jwkest.jwe import JWEException

from ...clients.encryption import encrypt_for
from ...crypto import jose
from ..parts import OpParts


class PyoidcKeys:
    """Stands in for pyoidc's `recuperate_keys` and `encrypt`."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def load(self, client_id: str, client: Mapping[str, Any]) -> None:
        """Load a client's registered keys into pyoidc's key jar; a public client without a secret is no error.

        Keys at a `jwks_uri` are fetched when they are needed, by `OpParts.public_keys`.
        """
        jwks = [] if client.get("jwks_uri") else self._parts.public_keys.usable_jwks(client)
        self._parts.op_keys.fill_key_jar(client_id, client, jwks)

    def encrypt(self, payload: Any, client: Mapping[str, Any], kind: str, cty: str) -> Any:
        """Encrypt for a client with its present keys; `kind` is "userinfo", anything else means an ID Token.

        Raises: JWEException: no key of the client's fits.
        """
        try:
            return encrypt_for(client, self._parts.public_keys, payload, "userinfo" if kind == "userinfo" else "id_token", cty=cty)
        except jose.BadKey as err:
            raise JWEException(str(err)) from err

"""Tokens and answers that only one client can read: encrypted as it registered, with its keys as they are now (OIDCC-10.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..crypto import jose
from .keys import ClientKeys, KnownKeys

_DEFAULT_ENC = "A128CBC-HS256"


def encrypt_for(
    client: Mapping[str, Any],
    keys: ClientKeys | KnownKeys,
    text: str,
    what: Literal["id_token", "userinfo"],
    *,
    cty: str = "JWT",
    extra_header: Mapping[str, str] | None = None,
) -> str:
    """Return `text` encrypted for a client with this metadata, by what it registered for `what`.

    `cty` is empty for what is no JWT itself. `extra_header` is that of `jose.encrypt`.

    Raises: BadKey: the client has no key or secret for the algorithm, or it is none that we know.
    """
    alg = str(client[f"{what}_encrypted_response_alg"])
    enc = str(client.get(f"{what}_encrypted_response_enc") or _DEFAULT_ENC)
    return jose.encrypt(text, _key(client, keys, alg, enc), alg, enc, cty=cty, extra_header=extra_header)


def _key(client: Mapping[str, Any], keys: ClientKeys | KnownKeys, alg: str, enc: str) -> jose.Key:
    if alg in jose.SYMMETRIC_KEY_ALGS:
        return jose.encryption_key(str(client.get("client_secret") or ""), alg, enc)
    family = "EC" if alg.startswith("ECDH") else "RSA"
    for jwk in keys.usable_jwks(client):
        if jwk.get("kty") == family and jwk.get("use", "enc") == "enc" and jwk.get("alg") not in jose.ASYMMETRIC_ALGS:
            return jose.import_key(jwk)
    raise jose.BadKey(f"the client has no key for {alg}")

"""Logout Tokens: signed as the ID Tokens of the same client, encrypted if these are (OIDCBCL-2.4, -2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...clients.encryption import encrypt_for
from ...crypto import jose
from ...logout.backchannel.logout_token import LOGOUT_TOKEN_TYP
from ..parts import OpParts

_DEFAULT_ALG = "RS256"


class LogoutTokens:
    """Signs Logout Tokens."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def sign_logout_token(self, claims: Mapping[str, Any], client: Mapping[str, Any]) -> str:
        """Return the Logout Token for a client with this metadata.

        It is signed with the `alg` of the client's ID Tokens; a client registered with `none` gets RS256, since an unsigned token proves
        nothing (BC-16). It is encrypted exactly if its ID Tokens are (OIDCBCL-2.4), the type in the inner header, `iss` in the outer. For
        a client whose library rejects the type, `backchannel_logout_token_typ: false` leaves it out.

        Raises: BadKey: no key of this OP, or no secret or key of the client's, fits.
        """
        alg = str(client.get("id_token_signed_response_alg") or _DEFAULT_ALG)
        alg = _DEFAULT_ALG if alg == "none" else alg
        typ = None if client.get("backchannel_logout_token_typ") is False else LOGOUT_TOKEN_TYP
        token = jose.sign(claims, self._key_of(alg, client), alg, typ=typ)
        if not client.get("id_token_encrypted_response_alg"):
            return token
        return encrypt_for(client, self._parts.public_keys.known, token, "id_token", extra_header={"iss": str(claims["iss"])})

    def _key_of(self, alg: str, client: Mapping[str, Any]) -> jose.Key:
        if alg in jose.MAC_ALGS:
            return jose.mac_key(str(client.get("client_secret") or ""), alg)
        try:
            return self._parts.op_keys.signing_key(alg)
        except KeyError as err:
            raise jose.BadKey(f"no key of this OP fits {alg}") from err

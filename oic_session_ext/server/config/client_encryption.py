"""Encryption of a client's ID Tokens and UserInfo responses: part of its settings and of dynamic registration (OIDCREG-2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from ...validation import Problem
from .types import SettingsSection

KeyAlg: TypeAlias = Literal["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
ContentEnc: TypeAlias = Literal["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]


class ClientEncryption(SettingsSection):
    """The encryption metadata in a client's settings."""

    id_token_encrypted_response_alg: KeyAlg | None = None
    """The algorithm with which ID Tokens and Logout Tokens are encrypted to the client's key in `jwks` or `jwks_uri`; without it they are
    signed only."""

    id_token_encrypted_response_enc: ContentEnc | None = None
    """The content encryption algorithm; without it `A128CBC-HS256`."""

    userinfo_encrypted_response_alg: KeyAlg | None = None
    """The algorithm with which UserInfo responses are encrypted to the client's key; without it they are not encrypted."""

    userinfo_encrypted_response_enc: ContentEnc | None = None
    """The content encryption algorithm; without it `A128CBC-HS256`."""

    def encryption_problems(self, *, has_keys: bool) -> Iterator[Problem]:
        """Yield a content encryption without key algorithm, and a key algorithm without key."""
        for what in ("id_token", "userinfo"):
            alg = f"{what}_encrypted_response_alg"
            if getattr(self, alg) is not None and not has_keys:
                yield (alg,), "needs exactly one of jwks, jwks_uriwith the client's encryption key"
            elif getattr(self, alg) is None and getattr(self, f"{what}_encrypted_response_enc") is not None:
                yield (f"{what}_encrypted_response_enc",), f"has no effect without {alg}"

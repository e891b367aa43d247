"""Whether a client wants its ID Tokens and userinfo answers encrypted: a part of its settings, and of what it may register (OIDCREG-2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from ...validation import Problem
from .types import SettingsSection

KeyAlg: TypeAlias = Literal["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
ContentEnc: TypeAlias = Literal["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]


class ClientEncryption(SettingsSection):
    """The part of a client that says what only it can read."""

    id_token_encrypted_response_alg: KeyAlg | None = None
    """How this client's ID Tokens and Logout Tokens are encrypted to its key in `jwks` or `jwks_uri`; without it they are signed alone."""

    id_token_encrypted_response_enc: ContentEnc | None = None
    """With which cipher; `A128CBC-HS256` without it."""

    userinfo_encrypted_response_alg: KeyAlg | None = None
    """How the answers of userinfo are encrypted to this client's key; without it they are not."""

    userinfo_encrypted_response_enc: ContentEnc | None = None
    """With which cipher; `A128CBC-HS256` without it."""

    def encryption_problems(self, *, has_keys: bool) -> Iterator[Problem]:
        """Yield a cipher for what is not encrypted, and what is encrypted to no key."""
        for what in ("id_token", "userinfo"):
            alg = f"{what}_encrypted_response_alg"
            if getattr(self, alg) is not None and not has_keys:
                yield (alg,), "needs exactly one of jwks, jwks_uri: the client's key to encrypt to"
            elif getattr(self, alg) is None and getattr(self, f"{what}_encrypted_response_enc") is not None:
                yield (f"{what}_encrypted_response_enc",), f"means nothing without {alg}"

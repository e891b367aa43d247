"""The server's private keys: one JWK Set in a file that only its owner can read, made at the first start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oic.utils.keyio import KeyJar

from ..errors import ConfigError
from ..jose import BadKey, import_key
from ..private_file import load_or_create_private
from ..provider.keys import generate_private_jwks, key_jar


def load_key_jar(path: Path | None) -> KeyJar:
    """Return the key jar with the OP's own keys from a file; None for keys that live and die with the process.

    Raises: ConfigError: the file cannot be read or made, others can read it, or it is no set of private signing keys.
    """
    if path is None:
        return key_jar(generate_private_jwks())
    text = load_or_create_private(path, lambda: json.dumps(generate_private_jwks(), indent=1))
    try:
        jwks = json.loads(text)
        for key in _entries(jwks):
            import_key(key)  # pyoidc's own reading lets broken keys through
        return key_jar(jwks)
    except (ValueError, BadKey) as err:
        raise ConfigError(str(path), f"must be a JWK Set of private RSA or EC keys: {err}") from err


def _entries(jwks: Any) -> list[dict[str, Any]]:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError("it has no list of keys")
    return keys

"""The server's private keys: one JWK Set in a file that only its owner can read, made at the first start."""

from __future__ import annotations

import json
from pathlib import Path

from oic.utils.keyio import KeyJar

from ..errors import ConfigError
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
        return key_jar(jwks if isinstance(jwks, dict) else {})
    except ValueError as err:
        raise ConfigError(str(path), f"must be a JWK Set of private RSA or EC keys: {err}") from err

"""The OP's signing key and the secrets that pyoidc asks for, kept in files so that they outlive a restart."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from oic.utils.keyio import KeyJar, build_keyjar

from .settings import DATA, ISSUER

os.umask(0o077)  # whatever this process writes is for its own user alone
DATA.mkdir(parents=True, exist_ok=True)


def load_keyjar(path: Path) -> KeyJar:
    """Return the OP's keys; the first start makes them."""
    jar: KeyJar = build_keyjar([{"type": "RSA", "key": str(path), "use": ["sig"]}])[1]
    jar[ISSUER] = jar[""]  # pyoidc verifies under the issuer's name what it signs itself
    return jar


def _secret(path: Path) -> str:
    if not path.exists():
        path.write_text(secrets.token_hex(32))
    return path.read_text()


COOKIE_KEY = _secret(DATA / "cookie.key").encode()
COOKIE_SEED = _secret(DATA / "cookie.seed").encode()
TOKEN_SECRET = _secret(DATA / "token.secret")
TOKEN_PASSWORD = _secret(DATA / "token.password")

"""Who may sign in, and what the OP tells of them."""

from __future__ import annotations

import hashlib
import hmac

CLAIMS = {
    "alice": {"name": "Alice Adams", "email": "alice@example.com"},
    "bob": {"name": "Bob Brown", "email": "bob@example.com"},
}
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
_PASSWORDS = {  # made with scrypt: alice's is "wonderland", bob's is "builder"
    "alice": ("f1a5c1d6b3", "a2f4dc1d82f212f74619cfeea1b6972037f00a41bea3bca32f127976c1481f33"),
    "bob": ("07c9e28d41", "aef16e6d29e364dafe776f4e0aca03c93a2cb1a383dc103726d7805b2ee96c68"),
}


def is_password(user: str, password: str) -> bool:
    """Tell whether this is the user's password; a user who is not known takes as long."""
    salt, expected = _PASSWORDS.get(user, ("00", ""))
    made = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
    return hmac.compare_digest(made, expected)

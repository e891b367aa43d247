"""The server's private keys: a JWK Set. The first key of each kind is in use; all are published and accepted."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from oic.utils.keyio import KeyJar

from ...crypto.jose import BadKey, thumbprint
from ...errors import ConfigError
from ...provider.keys import generate_private_jwks, key_jar, new_private_jwk


class SigningKeys:
    """Private keys for signatures and for decryption of what RPs encrypt to this OP. Their ids are RFC 7638 thumbprints.

    Raises: ConfigError: they are not private RSA or EC keys, none of them signs, or two cannot be distinguished by `kid`.
    """

    def __init__(self, jwks: Sequence[Mapping[str, Any]], *, path: str = "keys") -> None:
        self._path = path
        self.jwks = tuple(dict(jwk) for jwk in jwks)
        try:
            self._jar = key_jar({"keys": list(self.jwks)})
            self._ids = tuple(thumbprint(jwk) for jwk in self.jwks)
        except (ValueError, BadKey) as err:
            raise ConfigError(path, f"must be a JWK Set of private RSA or EC keys: {err}") from err
        names = [jwk.get("kid") or _kind_of(jwk) for jwk in self.jwks]
        if len(set(names)) != len(names) or len(set(self._ids)) != len(self._ids):
            raise ConfigError(path, "two keys have the same kid, or no kid, or are equal; RPs could not find the key of a signature")

    @classmethod
    def from_text(cls, text: str, *, path: str = "keys") -> SigningKeys:
        """Return the keys of a JWK Set in JSON; `path` names the setting or file in errors. Raises: ConfigError."""
        try:
            found = json.loads(text)
        except ValueError as err:
            raise ConfigError(path, f"must be a JWK Set of private RSA or EC keys: {err}") from err
        keys = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise ConfigError(path, "must be a JWK Set of private RSA or EC keys: it has no list of keys")
        return cls(keys, path=path)

    @staticmethod
    def generate_text() -> str:
        """Return new keys in the form that `from_text` reads."""
        return SigningKeys(generate_private_jwks()["keys"]).to_text()

    def to_text(self) -> str:
        """Return the keys in the form that `from_text` reads."""
        return json.dumps({"keys": self.jwks}, indent=1) + "\n"

    def key_jar(self) -> KeyJar:
        """Return pyoidc's key jar with these keys as the OP's own."""
        return self._jar

    def by_id(self) -> Mapping[str, Mapping[str, Any]]:
        """Return each key by its id, in their order."""
        return dict(zip(self._ids, self.jwks, strict=True))

    @property
    def active(self) -> tuple[str, ...]:
        """The ids of the keys that sign, or to which RPs encrypt: the first of each kind."""
        first: dict[str, str] = {}
        for one, jwk in self.by_id().items():
            first.setdefault(_kind_of(jwk), one)
        return tuple(first.values())

    @property
    def accepted(self) -> tuple[str, ...]:
        """The ids of all keys in their order."""
        return self._ids

    def with_next(self) -> SigningKeys:
        """Return these keys and a new one of each kind."""
        keys = self.by_id()
        return self._of([*self.jwks, *(new_private_jwk(keys[one]) for one in self.active)])

    def with_active(self, ids: Collection[str]) -> SigningKeys:
        """Return the same keys, with these before the others."""
        return self._of([jwk for one, jwk in sorted(self.by_id().items(), key=lambda item: item[0] not in ids)])

    def without(self, ids: Collection[str]) -> SigningKeys:
        """Return the keys without these. Raises: ConfigError: no signing key is left."""
        return self._of([jwk for one, jwk in self.by_id().items() if one not in ids])

    def _of(self, jwks: Sequence[Mapping[str, Any]]) -> SigningKeys:
        return SigningKeys(jwks, path=self._path)


def _kind_of(jwk: Mapping[str, Any]) -> str:
    """Return the kind of a key: use, type and curve. A key can replace another one of the same kind."""
    return f"{jwk.get('use') or 'sig'} {jwk.get('kty')} {jwk.get('crv', '')}"

"""The OP's own keys, as pyoidc's key jar holds them, ready for `oic_session_ext.crypto.jose`.

pyjwkest signs an RS256 token in 1 ms and an ES256 token in pure Python; `cryptography` needs a quarter and a fiftieth of
that, so keys are converted once and signing goes there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from Cryptodome.PublicKey import RSA
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode
from jwkest.jwk import RSAKey as PyoidcRsaKey
from oic.utils.keyio import KeyBundle, KeyJar

from ..crypto import jose
from ..crypto.jose import Key

_MIN_RSA_BITS = 2048
_MOST_IN_KEY_JAR = 10_000
"""Clients whose keys are held for pyoidc: any caller may register clients."""
_CURVE_OF_ALG = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class OpKeys:
    """The keys under the owner `""` of a key jar; inactive ones verify, active ones also sign.

    A key's conversion is remembered by its thumbprint, so a rollover in the jar is seen at once.
    """

    def __init__(self, keyjar: KeyJar) -> None:
        self._keyjar = keyjar
        self._converted: dict[int, tuple[Any, Key]] = {}

    def signing_key(self, alg: str) -> Key:
        """Return the active key for an asymmetric `alg`. Raises: KeyError: there is none."""
        family = "EC" if alg.startswith("ES") else "RSA"
        for key in self._keys("sig"):
            if key.kty == family and not key.inactive_since and (family == "RSA" or key.crv == _CURVE_OF_ALG.get(alg)):
                return self._convert(key)
        raise KeyError(alg)

    def replace_with(self, jar: KeyJar) -> None:
        """Have another jar's own keys from now on."""
        self._keyjar.issuer_keys[""] = jar.issuer_keys[""]
        self._converted = {}

    def issuer_keys(self) -> list[Key]:
        """Return every key that may have signed an ID Token of ours, retired ones included (OIDCC-10.1)."""
        return [self._convert(key) for key in self._keys("sig")]

    def decryption_keys(self) -> list[Key]:
        """Return the private keys that an RP may have encrypted a hint to (OIDCC-3.1.2.1)."""
        return [self._convert(key) for key in self._keys("enc")]

    def public_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the key set to publish: public parts only, symmetric keys never."""
        keys = [key for use in ("sig", "enc") for key in self._keys(use)]
        return {"keys": [json.loads(json.dumps(key.serialize(private=False), default=_text)) for key in keys]}

    def signing_algs(self) -> list[str]:
        """Return the asymmetric algorithms that an active key can sign with, the default first."""
        found = []
        for key in self._keys("sig"):
            if key.inactive_since:
                continue
            if key.kty == "RSA":
                found.append("RS256")
            else:
                found += [alg for alg, curve in _CURVE_OF_ALG.items() if curve == key.crv]
        return sorted(set(found), key=lambda alg: (alg != "RS256", alg))

    def fill_key_jar(self, client_id: str, client: Mapping[str, Any], jwks: list[dict[str, Any]]) -> None:
        """Load a client's keys into pyoidc's key jar; of very many clients the oldest make room and are loaded again when needed."""
        jar = self._keyjar.issuer_keys
        jar[client_id] = [KeyBundle(jwks)] if jwks else []
        if client.get("client_secret"):
            self._keyjar.add_symmetric(client_id, client["client_secret"], usage=["enc", "sig"])
        if len(jar) > _MOST_IN_KEY_JAR:
            for other in list(jar)[: -_MOST_IN_KEY_JAR // 2]:
                if other:  # the OP's own are under the empty name
                    jar.pop(other, None)

    def _keys(self, use: str) -> list[Any]:
        bundles = self._keyjar.issuer_keys.get("", [])
        keys = [key for bundle in bundles for key in bundle.keys()]  # noqa: SIM118 a KeyBundle is no dict
        return [key for key in keys if key.kty in ("RSA", "EC") and (key.use or "sig") == use]

    def _convert(self, key: Any) -> Key:
        known = self._converted.get(id(key))
        if known is None or known[0] is not key:
            jwk = json.loads(json.dumps(key.serialize(private=True), default=_text))
            known = self._converted[id(key)] = (key, jose.import_key(jwk))
        return known[1]


def generate_private_jwks() -> dict[str, list[dict[str, Any]]]:
    """Return fresh private keys: RSA and P-256 to sign with, RSA for hints that an RP encrypts to this OP."""
    kinds = (
        {"kty": "RSA", "use": "sig", "alg": "RS256"},
        {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256"},
        {"kty": "RSA", "use": "enc", "alg": "RSA-OAEP-256"},
    )
    return {"keys": [new_private_jwk(kind) for kind in kinds]}


def new_private_jwk(like: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fresh private key for the same use as another, as a JWK; its `kid` is its thumbprint, which no other key has."""
    parameters: Any = {name: like[name] for name in ("use", "alg") if like.get(name)}
    key: RSAKey | ECKey
    if like["kty"] == "EC":
        key = ECKey.generate_key(like["crv"], parameters, auto_kid=True)
    else:
        key = RSAKey.generate_key(max(_MIN_RSA_BITS, _bits_of(like)), parameters, auto_kid=True)
    return key.as_dict(private=True)


def key_jar(private_jwks: Mapping[str, Any]) -> KeyJar:
    """Return pyoidc's key jar with these keys as the OP's own.

    Raises: ValueError: it is no JWK Set with a private RSA or EC signing key.
    """
    keys = private_jwks.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) and "d" in key for key in keys):
        raise ValueError("must be a JWK Set of private RSA or EC keys")
    bundle = KeyBundle()
    for jwk in keys:
        bundle.append(_pyoidc_key(jwk))
    jar = KeyJar()
    jar[""] = [bundle]
    if not OpKeys(jar).signing_algs():
        raise ValueError("must hold a private RSA or EC key with use sig")
    return jar


def _pyoidc_key(jwk: Mapping[str, Any]) -> Any:
    """Return a private key as pyoidc keeps it.

    `cryptography` has checked it; pyjwkest would test the primes of an RSA key again, in Python, for a third of a second.
    """
    try:
        checked: Any = jose.import_key(jwk)
    except jose.BadKey as err:
        raise ValueError(str(err)) from err
    if jwk["kty"] != "RSA":
        return KeyBundle([dict(jwk)]).keys()[0]
    numbers = checked.private_key.private_numbers()
    parts = (numbers.public_numbers.n, numbers.public_numbers.e, numbers.d, numbers.p, numbers.q)
    names = {name: jwk[name] for name in ("kid", "use", "alg") if jwk.get(name)}
    return PyoidcRsaKey(key=RSA.construct(parts, consistency_check=False), **names)


def _bits_of(jwk: Mapping[str, Any]) -> int:
    return len(urlsafe_b64decode(str(jwk.get("n", "")).encode())) * 8


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"not a part of a key: {type(value).__name__}")

"""Signing, verifying and encrypting JWTs (RFC 7515 to 7519): the one place that knows which library does it.

A key is imported once and kept by the caller. Which algorithms may be used is always the caller's own list; what a token's
header names only picks from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from joserfc import jwe, jws
from joserfc import jwk as joserfc_jwk
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from ..errors import SessionExtError

Key: TypeAlias = joserfc_jwk.Key
"""A key ready for use; it is opaque to everybody but this module."""

ASYMMETRIC_ALGS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
"""Signatures that only the holder of a private key can make."""

MAC_ALGS = frozenset({"HS256", "HS384", "HS512"})
"""MACs with a client's secret: both sides can make them."""

ASYMMETRIC_KEY_ALGS = frozenset({"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"})
"""Key management to a public key. RSA1_5 is left out: its padding errors decrypt other people's tokens (RFC 8725, 3.2)."""

SYMMETRIC_KEY_ALGS = frozenset({"A128KW", "A192KW", "A256KW", "dir"})
"""Key management with a key derived from a client's secret."""

CONTENT_ENCS = frozenset({"A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"})

MAX_TOKEN_LENGTH = 16 * 1024
"""Characters; a longer token is refused before anything in it is read."""

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_KEY_BITS = {"A128KW": 128, "A192KW": 192, "A256KW": 256}
_CONTENT_KEY_BITS = {"A128CBC-HS256": 256, "A192CBC-HS384": 384, "A256CBC-HS512": 512, "A128GCM": 128, "A192GCM": 192, "A256GCM": 256}
_MIN_RSA_BITS = 2048
_RSA_FACTORS = ("p", "q", "dp", "dq", "qi")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_REFUSALS = (JoseError, ValueError, TypeError, KeyError, AssertionError, RecursionError)
"""What the library and `json` raise on input that is none. AssertionError: it asserts what a peer's header may deny."""

# The caller's list decides; these only stop the library from putting its own "recommended" list in its place.
_SIGNATURES = jws.JWSRegistry(algorithms=[*ASYMMETRIC_ALGS, *MAC_ALGS], strict_check_header=False)
_ENCRYPTIONS = jwe.JWERegistry(algorithms=[*ASYMMETRIC_KEY_ALGS, *SYMMETRIC_KEY_ALGS, *CONTENT_ENCS], strict_check_header=False)


class BadJwt(SessionExtError):
    """A token is malformed, of a kind that is not allowed, or not proven by any of the keys."""


class BadKey(SessionExtError):
    """A key is malformed, too weak, or of the wrong kind for the algorithm."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token taken apart: its header and its claims, both JSON objects."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def import_key(jwk: Mapping[str, Any]) -> Key:
    """Return an RSA or EC key, private or public, from its JWK. A millisecond for a private one: import it once.

    Raises: BadKey: it is malformed, of another type, or an RSA key under 2048 bits (RFC 7518, 3.3: MUST).
    """
    members = {name: value for name, value in jwk.items() if value not in ("", None)}
    if any(name not in members for name in _RSA_FACTORS):
        # some writers give p and q without the rest (pyjwkest): the factors are found again from n, e and d
        members = {name: value for name, value in members.items() if name not in _RSA_FACTORS}
    if members.get("kty") not in ("RSA", "EC"):
        raise BadKey("only RSA and EC keys can be imported")
    try:
        if "n" in members and int.from_bytes(urlsafe_b64decode(members["n"].encode("ascii"))).bit_length() < _MIN_RSA_BITS:
            raise BadKey(f"the RSA key has fewer than {_MIN_RSA_BITS} bits")
        return joserfc_jwk.import_key(members)
    except (*_REFUSALS, AttributeError) as err:
        raise BadKey("the key is malformed") from err


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the public id of an RSA or EC key, private or public (RFC 7638). Raises: BadKey: as `import_key`."""
    return import_key({name: value for name, value in jwk.items() if name not in _PRIVATE}).thumbprint()


def mac_key(client_secret: str, alg: str) -> Key:
    """Return the key with which a client's secret signs and verifies under HS256, HS384 or HS512 (OIDCC-10.1).

    Raises: BadKey: the secret is shorter than the hash (OIDCC-16.19: MUST NOT; a reader of a token could guess it).
    """
    secret = client_secret.encode()
    if alg not in MAC_ALGS:
        raise BadKey("not a MAC algorithm")
    if len(secret) * 8 < int(alg[2:]):
        raise BadKey(f"the client's secret is too short for {alg}")
    return joserfc_jwk.OctKey(secret, secret)


def encryption_key(client_secret: str, alg: str, enc: str) -> Key:
    """Return the key that a client's secret gives for a symmetric `alg`: its hash, the left-most bits kept (OIDCC-10.2).

    Raises: BadKey: the algorithms are not symmetric ones that we know, or the secret is empty.
    """
    bits = _CONTENT_KEY_BITS.get(enc) if alg == "dir" else _KEY_BITS.get(alg)
    if bits is None or not client_secret:
        raise BadKey("no symmetric key for these algorithms")
    digest = hashlib.sha256 if bits <= 256 else hashlib.sha384 if bits <= 384 else hashlib.sha512
    secret = digest(client_secret.encode()).digest()[: bits // 8]
    return joserfc_jwk.OctKey(secret, secret)


def sign(claims: Mapping[str, Any], key: Key, alg: str, *, typ: str | None = None) -> str:
    """Return a signed JWT. Its header has `alg`, the `kid` of a key that has one, and `typ` when given; nothing else.

    Raises: BadKey: the key cannot sign with `alg`, or `alg` is none that we know (never `none`).
    """
    if not _fits(key, alg):
        raise BadKey(f"the key does not fit {alg}")
    header = {"alg": alg}
    if key.kid:
        header["kid"] = key.kid
    if typ is not None:
        header["typ"] = typ
    signing_input = f"{_encode(_json_text(header))}.{_encode(_json_text(claims))}"
    try:
        signature = _SIGNATURES.get_alg(alg).sign(signing_input.encode("ascii"), key)
    except (JoseError, AssertionError) as err:
        raise BadKey(f"the key cannot sign with {alg}") from err
    return f"{signing_input}.{_encode(signature)}"


def verify(token: str, keys: Sequence[Key], algs: Collection[str]) -> Jwt:
    """Return a signed JWT that one of `keys` proves, under one of `algs`; expiry and meaning are the caller's to check.

    A key is tried when it fits the algorithm and, where both the header and the key have a `kid`, when these are equal.

    Raises: BadJwt: anything else, `alg: none` and critical extensions included.
    """
    header = read_header(token)
    alg = header["alg"]
    if alg not in algs:
        raise BadJwt("the algorithm is not allowed")
    signing_input, _, signature_part = token.rpartition(".")
    payload_part = signing_input.partition(".")[2]
    if not payload_part or "." in payload_part:
        raise BadJwt("not a signed token")
    message, signature = signing_input.encode("ascii"), _decode(signature_part)
    for key in _candidates(header, keys):
        # `_fits` first: an RSA key must never be tried as the secret of a MAC (RFC 8725, 2.1)
        if _fits(key, alg) and _SIGNATURES.get_alg(alg).verify(message, signature, key):
            return Jwt(header, _json_object(_decode(payload_part)))
    raise BadJwt("no key proves the signature")


def read_unverified(token: str) -> Jwt:
    """Return what a signed JWT claims, proven by nothing: good for choosing the key to verify it with.

    Raises: BadJwt: it is malformed.
    """
    header = read_header(token)
    parts = token.split(".")
    if len(parts) != 3:
        raise BadJwt("not a signed token")
    return Jwt(header, _json_object(_decode(parts[1])))


def read_header(token: str) -> Mapping[str, Any]:
    """Return the header of a signed or encrypted token, with at least an `alg`.

    Raises: BadJwt: it is malformed or over-long, or asks for extensions (`crit`), of which we know none (RFC 7515, 4.1.11).
    """
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise BadJwt("the token is too long or not ASCII")
    header = _json_object(_decode(token.partition(".")[0]))
    if not isinstance(header.get("alg"), str) or not isinstance(header.get("kid", ""), str):
        raise BadJwt("the header is malformed")
    if "crit" in header or "b64" in header:
        raise BadJwt("the header asks for an extension that is not known here")
    return header


def encrypt(inner: str, key: Key, alg: str, enc: str, *, cty: str = "JWT", extra_header: Mapping[str, str] | None = None) -> str:
    """Return `inner` encrypted to `key`: a nested JWT, if it is a signed one.

    `cty` is empty for text that is no JWT. `extra_header` holds claims to repeat in the header, such as `iss` (RFC 7519, 5.3).

    Raises: BadKey: the key or the algorithms do not fit.
    """
    header = {**(extra_header or {}), "alg": alg, "enc": enc}
    if cty:
        header["cty"] = cty
    if key.kid:
        header["kid"] = key.kid
    try:
        return jwe.encrypt_compact(header, inner, key, registry=_ENCRYPTIONS)
    except _REFUSALS as err:
        raise BadKey(f"the key cannot encrypt with {alg} and {enc}") from err


def decrypt(token: str, keys: Sequence[Key], algs: Collection[str], encs: Collection[str]) -> str:
    """Return the text that was encrypted to one of `keys` under one of `algs` and one of `encs`.

    That it decrypts proves nothing about who wrote it: verify the inner token.

    Raises: BadJwt: anything else; compression is refused, a small token must not become a big one (RFC 8725, 3.6).
    """
    header = read_header(token)
    if header["alg"] not in algs or header.get("enc") not in encs or "zip" in header:
        raise BadJwt("the encryption is not allowed")
    for key in _candidates(header, keys):
        try:
            return (jwe.decrypt_compact(token, key, registry=_ENCRYPTIONS).plaintext or b"").decode("ascii")
        except _REFUSALS:
            continue
    raise BadJwt("no key decrypts the token")


def _candidates(header: Mapping[str, Any], keys: Sequence[Key]) -> Iterator[Key]:
    kid = header.get("kid")
    return (key for key in keys if not kid or not key.kid or key.kid == kid)


def _fits(key: Key, alg: str) -> bool:
    if key.get("use", "sig") != "sig" or key.get("alg", alg) != alg:
        return False
    if isinstance(key, joserfc_jwk.ECKey):
        return key.curve_name == _CURVES.get(alg)
    if isinstance(key, joserfc_jwk.RSAKey):
        return alg in ASYMMETRIC_ALGS and alg not in _CURVES
    return isinstance(key, joserfc_jwk.OctKey) and alg in MAC_ALGS


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii")


def _decode(segment: str) -> bytes:
    try:
        return urlsafe_b64decode(segment.encode("ascii"))
    except ValueError as err:
        raise BadJwt("not base64url") from err


def _json_text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text: no store could keep it
    except (ValueError, RecursionError) as err:
        raise BadJwt("not JSON") from err
    if not isinstance(value, dict):
        raise BadJwt("not a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

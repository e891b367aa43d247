"""The verdict on an `id_token_hint`: whose ID Token of ours it is and for which client; or that it proves nothing.

Used at the end-session endpoint and at the authorization endpoint. The content of a bad hint is not used (OIDCRIL-4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeGuard

from ..crypto import jose
from ..crypto.jose import BadJwt, BadKey, Jwt, Key
from ..errors import SessionExtError

_ID_TOKEN_TYPES = frozenset({"jwt", "application/jwt"})
_MAX_NAME_LENGTH = 512


class HintProblem(StrEnum):
    """Why a hint proves nothing."""

    UNREADABLE = "unreadable"
    """It is no JWT, or is encrypted to a key that is not ours."""
    NOT_PROVEN = "not_proven"
    """No key of ours, or of an algorithm allowed for this client, proves the signature."""
    WRONG_ISSUER = "wrong_issuer"
    NOT_AN_ID_TOKEN = "not_an_id_token"
    """It is another kind of JWT, or lacks what an ID Token has."""
    UNKNOWN_CLIENT = "unknown_client"
    """It was issued to a client that is registered no longer, or does not name one of several."""
    CLIENT_MISMATCH = "client_mismatch"
    """It was issued to another client than the request names."""


class BadHint(SessionExtError):
    """The hint proves nothing, for the reason `problem`."""

    def __init__(self, problem: HintProblem) -> None:
        super().__init__(f"id_token_hint: {problem}")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Hint:
    """An ID Token that this OP issued.

    `client_id` is the client that it was issued to and that is still registered; `sid` None when the token has none.
    `issued_at` is in UTC seconds. That it `is_expired` is no fault: its session may live on (OIDCRIL-2).
    """

    sub: str
    client_id: str
    sid: str | None
    issued_at: int
    is_expired: bool


class HintKeys(Protocol):
    """What verifying a hint needs to know of this OP."""

    def issuer_keys(self) -> Sequence[Key]:
        """Return every key that may have signed an ID Token, the retired ones included (OIDCC-10.1.1)."""
        ...

    def decryption_keys(self) -> Sequence[Key]:
        """Return the OP's private encryption keys."""
        ...

    def client(self, client_id: str) -> Mapping[str, Any] | None:
        """Return a client's registered metadata, None when it is not registered."""
        ...


def verify_id_token_hint(token: str, *, issuer: str, client_id: str | None, keys: HintKeys, now: int) -> Hint:
    """Return whose ID Token `token` is, and for which client.

    `client_id` is the request's own parameter, None when it has none: it must agree with the token, it decides among several
    audiences, and it names the secret of a hint that is encrypted with one.

    Raises: BadHint: the token proves nothing.
    Spec: OIDCRIL-2, OIDCRIL-4, OIDCC-3.1.2.1
    """
    try:
        if token.count(".") == 4:
            token = _decrypt(token, client_id, keys)
        unproven = jose.read_unverified(token)
    except (BadJwt, BadKey) as err:
        raise BadHint(HintProblem.UNREADABLE) from err
    issued_to = _issued_to(unproven.claims, client_id)
    metadata = keys.client(issued_to)
    if metadata is None:
        raise BadHint(HintProblem.UNKNOWN_CLIENT)
    return _hint(_proven(token, unproven, metadata, keys), issuer, issued_to, now)


def _decrypt(token: str, client_id: str | None, keys: HintKeys) -> str:
    """Return the signed token inside, encrypted to the OP's key (OIDCC-3.1.2.1) or with the named client's secret (OIDCC-10.2)."""
    header = jose.read_header(token)
    alg, enc = header["alg"], header.get("enc")
    if alg not in jose.SYMMETRIC_KEY_ALGS:
        return jose.decrypt(token, keys.decryption_keys(), jose.ASYMMETRIC_KEY_ALGS, jose.CONTENT_ENCS)
    metadata = None if client_id is None else keys.client(client_id)
    if metadata is None or not isinstance(enc, str):
        raise BadJwt("no client secret is known for this token")
    key = jose.encryption_key(metadata.get("client_secret") or "", alg, enc)
    return jose.decrypt(token, [key], {alg}, {enc})


def _proven(token: str, unproven: Jwt, metadata: Mapping[str, Any], keys: HintKeys) -> Jwt:
    """Return the token once a key of ours has proven it.

    A MAC proves issuance only for a client that registered it: the secret of another client proves nothing here. `none` proves
    nothing.
    """
    alg = unproven.header["alg"]
    try:
        if alg in jose.MAC_ALGS and metadata.get("id_token_signed_response_alg") == alg:
            return jose.verify(token, [jose.mac_key(metadata.get("client_secret") or "", alg)], {alg})
        return jose.verify(token, keys.issuer_keys(), jose.ASYMMETRIC_ALGS)
    except (BadJwt, BadKey) as err:
        raise BadHint(HintProblem.NOT_PROVEN) from err


def _issued_to(claims: Mapping[str, Any], client_id: str | None) -> str:
    """Return the client that the token was issued to, by its claims.

    `azp` when it is there, else the only audience, else the one of several that the request names.
    """
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not audiences or not all(_is_name(one) for one in audiences):
        raise BadHint(HintProblem.NOT_AN_ID_TOKEN)
    if "azp" not in claims and len(audiences) > 1 and client_id is None:
        raise BadHint(HintProblem.UNKNOWN_CLIENT)
    issued_to = claims["azp"] if "azp" in claims else audiences[0] if len(audiences) == 1 else client_id
    if not _is_name(issued_to):
        raise BadHint(HintProblem.NOT_AN_ID_TOKEN)
    if client_id not in (None, issued_to) or ("azp" not in claims and issued_to not in audiences):
        raise BadHint(HintProblem.CLIENT_MISMATCH)
    return issued_to


def _hint(token: Jwt, issuer: str, client_id: str, now: int) -> Hint:
    """Return the content of the proven token, if it is an ID Token of this issuer and nothing else (RFC 8725, 3.11 and 3.12)."""
    claims, typ = token.claims, token.header.get("typ", "JWT")
    if claims.get("iss") != issuer:
        raise BadHint(HintProblem.WRONG_ISSUER)
    sub, sid, exp, iat = (claims.get(name) for name in ("sub", "sid", "exp", "iat"))
    if (
        not isinstance(typ, str)
        or typ.lower() not in _ID_TOKEN_TYPES
        or "events" in claims
        or not _is_name(sub)
        or not (sid is None or _is_name(sid))
        or not _is_instant(exp)
        or not _is_instant(iat)
    ):
        raise BadHint(HintProblem.NOT_AN_ID_TOKEN)
    return Hint(sub=sub, client_id=client_id, sid=sid, issued_at=iat, is_expired=now >= exp)


def _is_name(value: object) -> TypeGuard[str]:
    """Return whether a claim can name a client, user or session: text that every store can look up."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME_LENGTH and value.isprintable()


def _is_instant(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)

"""Logout Tokens, which an OP posts to the back channel: validated in the order of OpenID Connect Back-Channel Logout 1.0, 2.6.

PyJWT does the signature and the registered claims. What it leaves to us: which key, and what makes a JWT a Logout Token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPES = ("logout+jwt", "application/logout+jwt")
CLOCK_LEEWAY_S = 30

KeyDocument = Callable[[bool], Mapping[str, Any]]
"""Gives the OP's JWKS; True asks the OP anew, where a fresh look is due."""


class LogoutTokenRefused(Exception):
    """This is no valid Logout Token for this RP. The text may be shown to the OP: it names the check, and no value."""


@dataclass(frozen=True)
class EndedAtOp:
    """What a valid Logout Token says. Without `sid` all sessions of `sub` have ended; one of the two is there (OIDCBCL-2.4)."""

    iss: str
    sub: str | None
    sid: str | None
    jti: str
    exp: int


class SeenTokens:
    """The `jti` of tokens that were obeyed, until they expire. In memory: processes that share the work must share this."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._until: dict[tuple[str, str], int] = {}

    def is_first(self, token: EndedAtOp) -> bool:
        """Remember a token; whether it comes for the first time."""
        with self._lock:
            now = self._now()
            self._until = {name: until for name, until in self._until.items() if until > now}
            if (token.iss, token.jti) in self._until:
                return False
            self._until[token.iss, token.jti] = token.exp + CLOCK_LEEWAY_S
            return True


class LogoutTokenValidator:
    """Validates the tokens of one OP for one client.

    `alg` is what the client registered for its ID Tokens (OIDCBCL-2.6, step 3), never what the token says; `client_secret` is the
    key of HS256 and the like. With `require_typ` a token must say that it is a Logout Token. Many OPs say nothing, or just "JWT", so
    that it is off by default; a token that says it is something else is refused either way (OIDCBCL-4.1).
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        jwks: KeyDocument,
        *,
        alg: str = "RS256",
        client_secret: str | None = None,
        require_typ: bool = False,
    ) -> None:
        if alg == "none":
            raise ValueError("Logout Tokens must be signed (OIDCBCL-2.6)")
        self._issuer = issuer
        self._client_id = client_id
        self._jwks = jwks
        self._alg = alg
        self._client_secret = client_secret
        self._require_typ = require_typ

    def validate(self, token: str) -> EndedAtOp:
        """Give what a Logout Token says. Whether it is new, and whom it concerns, is for the caller to find out (steps 8 to 11).

        Raises: LogoutTokenRefused: a check failed. Whatever `jwks` raises, where the OP's keys cannot be had.
        """
        if not token.isascii():
            raise LogoutTokenRefused("the token is not valid (not ASCII)")
        if token.count(".") == 4:
            raise LogoutTokenRefused("the token is encrypted, and this client registered no encryption")  # step 1
        try:
            decoded = jwt.decode_complete(  # steps 2 to 4
                token,
                self._key(token),
                algorithms=[self._alg],
                issuer=self._issuer,
                audience=self._client_id,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["iss", "aud", "iat", "exp", "jti", "events"]},
            )
        except (jwt.PyJWTError, RecursionError) as err:
            raise LogoutTokenRefused(f"the token is not valid ({type(err).__name__})") from err
        self._require_type(decoded["header"].get("typ"))
        return self._ended(decoded["payload"])

    def _key(self, token: str) -> Any:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != self._alg:  # before any key is looked for, so that a public key is never used as an HMAC secret
            raise LogoutTokenRefused("the token is not signed with the registered alg")
        if self._alg.startswith("HS"):
            return self._client_secret or ""
        for renew in (False, True):  # the OP may have a new key since we last looked
            keys = [key for key in self._jwks(renew).get("keys", ()) if isinstance(key, dict) and self._fits(key, header.get("kid"))]
            if len(keys) == 1:
                return jwt.PyJWK(keys[0], self._alg)
        raise LogoutTokenRefused("the OP publishes no such key")

    def _fits(self, key: Mapping[str, Any], kid: str | None) -> bool:
        kty = {"RS": "RSA", "PS": "RSA", "ES": "EC"}.get(self._alg[:2], "OKP")
        is_for_us = key.get("kty") == kty and key.get("use", "sig") == "sig" and key.get("alg", self._alg) == self._alg
        return is_for_us and (kid is None or key.get("kid") == kid)

    def _require_type(self, typ: object) -> None:
        known = LOGOUT_TYPES if self._require_typ else (*LOGOUT_TYPES, "jwt")
        if typ is None and not self._require_typ:
            return
        if not isinstance(typ, str) or typ.lower() not in known:
            raise LogoutTokenRefused("typ is not logout+jwt")

    def _ended(self, claims: Mapping[str, Any]) -> EndedAtOp:
        # As for ID Tokens: this OP is not a party to any other audience, so a token for several is not for us.
        if claims["aud"] not in (self._client_id, [self._client_id]):
            raise LogoutTokenRefused("aud names another client too")
        if not _is_time(claims["iat"]) or not _is_time(claims["exp"]):  # PyJWT takes "1700000000" for a number
            raise LogoutTokenRefused("iat and exp must be numbers")
        names = {name: claims[name] for name in ("sub", "sid") if claims.get(name) is not None}
        if not names or not all(isinstance(value, str) and value for value in names.values()):  # step 5
            raise LogoutTokenRefused("there is neither a sub nor a sid")
        events = claims["events"]
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):  # step 6; other members are ignored
            raise LogoutTokenRefused("events has no back-channel logout event")
        if "nonce" in claims:  # step 7: else an ID Token might pass
            raise LogoutTokenRefused("there must be no nonce")
        if not claims["jti"]:
            raise LogoutTokenRefused("jti is empty")
        return EndedAtOp(claims["iss"], names.get("sub"), names.get("sid"), claims["jti"], int(claims["exp"]))


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""ID Tokens, made from a grant and signed by `cryptography` (OIDCC-2, -3.1.3.6, -3.3.2.11)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jwkest.jws import NoSuitableSigningKeys

from ...claims import PROTOCOL_CLAIMS
from ...crypto import jose
from ..parts import OpParts


class IdTokens:
    """Issues ID Tokens in place of pyoidc, whose own signing takes four times as long and drops `auth_time`."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def issue(
        self,
        session: Mapping[str, Any],
        loa: str = "",
        alg: str = "",
        code: str | None = None,
        access_token: str | None = None,
        user_info: Any = None,
        auth_time: int = 0,
        exp: Any = None,
        extra_claims: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the signed ID Token of a grant.

        Raises: NoSuitableSigningKeys: no key of ours, or no secret of the client's, fits `alg`; `none` never does.
        """
        now = self._parts.clock()
        claims = {name: value for name, value in _as_dict(user_info).items() if name not in PROTOCOL_CLAIMS}
        claims.update(
            iss=self._parts.issuer,
            sub=session["sub"],
            aud=session["client_id"],
            iat=now,
            exp=now + self._parts.settings.id_token_lifetime_s,
        )
        if auth_time:
            claims["auth_time"] = auth_time
        if loa:
            claims["acr"] = loa
        for name in ("nonce", "sid"):
            if session.get(name):
                claims[name] = session[name]
        if code:
            claims["c_hash"] = _left_hash(code, alg)
        if access_token:
            claims["at_hash"] = _left_hash(access_token, alg)
        claims.update(extra_claims or {})
        return self.sign_for(claims, alg, session["client_id"])

    def sign_for(self, claims: Mapping[str, Any], alg: str, client_id: str) -> str:
        """Return claims as a JWT that a client can verify.

        Raises: NoSuitableSigningKeys: no key of ours, or no secret of the client's, fits `alg`; `none` never does.
        """
        try:
            return jose.sign(claims, self._signing_key(alg, client_id), alg)
        except (jose.BadKey, KeyError) as err:
            raise NoSuitableSigningKeys(f"no key for {alg}") from err

    def _signing_key(self, alg: str, client_id: str) -> jose.Key:
        if alg in jose.MAC_ALGS:
            return jose.mac_key(str((self._parts.client(client_id) or {}).get("client_secret") or ""), alg)
        return self._parts.op_keys.signing_key(alg)


def _as_dict(user_info: Any) -> dict[str, Any]:
    if not user_info:
        return {}
    return dict(user_info.to_dict()) if hasattr(user_info, "to_dict") else dict(json.loads(json.dumps(user_info)))


def _left_hash(value: str, alg: str) -> str:
    digest = hashlib.new(f"sha{alg[-3:]}", value.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()

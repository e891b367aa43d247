"""Which authentication method answers a request: by `acr_values` and the `acr` claim (OIDCC-3.1.2.1, -5.5.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parts import OpParts


class AcrChoice:
    """Picks a method of the OP's `AuthnBroker`."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def pick_method(self, areq: Any) -> tuple[Any, str]:
        """Return the method and its `acr`; None and "" if no method satisfies the request."""
        op = self._parts.op
        for acr in op._acr_claims(areq) or ():
            found = op.authn_broker.pick(acr, "exact")
            if found:
                return found[0][0], found[0][1]
        if self.required(areq):
            return None, ""
        for comparison in ("", "better", "any"):
            method, acr = op.pick_auth(areq, comparison)
            if method:
                return method, acr
        return None, ""

    def required(self, areq: Any) -> list[str]:
        """Return the values of an essential `acr` claim; a voluntary one fails no request (OIDCC-5.5.1.1)."""
        requested = areq.get("claims", {}).get("id_token", {}).get("acr")
        is_essential = isinstance(requested, Mapping) and requested.get("essential") is True
        return list(self._parts.op._acr_claims(areq) or ()) if is_essential else []

"""What the fault RP was sent, kept for tests and for people: never a token itself, only what it says."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from faults import Request

CLAIMS = ("jti", "iat", "exp", "aud", "sub", "sid")


class Received:
    """The requests under `/fault/`, in the order in which they came."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._requests: list[dict[str, Any]] = []

    def add(self, request: Request, fault: str) -> None:
        """Record a request, at once when it has been read: also when it is never answered."""
        form = parse_qs(request.body.decode("latin-1"), keep_blank_values=True)
        token = form.get("logout_token", [""])[0]
        record = {"at": self._now(), "path": request.path, "query": request.query, "method": request.method, "fault": fault}
        record["content_type"] = request.headers.get("content-type")
        record["parameters"] = sorted(form)
        self._requests.append(record | _said_by(token))

    def clear(self) -> None:
        """Forget all."""
        self._requests.clear()

    def requests(self, prefix: str = "/") -> list[dict[str, Any]]:
        """Give the requests whose path begins with `prefix`."""
        return [each for each in self._requests if each["path"].startswith(prefix)]

    def summary(self, prefix: str = "/") -> dict[str, dict[str, Any]]:
        """Count the requests by path: how many, how many different tokens, when the first and the last came."""
        counts: dict[str, dict[str, Any]] = {}
        tokens: dict[str, set[object]] = {}
        for each in self.requests(prefix):
            one = counts.setdefault(each["path"], {"requests": 0, "first_at": each["at"]})
            one["requests"] += 1
            one["last_at"] = each["at"]
            tokens.setdefault(each["path"], set()).add(each.get("jti"))
        return {path: one | {"different_jti": len(tokens[path] - {None})} for path, one in counts.items()}


def _said_by(token: str) -> dict[str, Any]:
    # Not verified: this is no RP, it only writes down what it is told.
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "===")) for part in token.split(".")[:2])
        return {"typ": header.get("typ"), "alg": header.get("alg")} | {name: claims.get(name) for name in CLAIMS}
    except (ValueError, AttributeError):
        return {}

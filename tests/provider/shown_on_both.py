"""What the tests of pyoidc's defects have in common: people who sign in, hints of every kind, answers that may be exceptions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from .conftest import ISSUER, Answer, Browser


def signed_in(op: Any, user: str = "alice") -> Browser:
    """A browser with pyoidc's own login cookie of a user."""
    browser = op.browser()
    browser.use_pyoidc_login(user)
    return browser


def code_of(op: Any, client_id: str = "basic", user: str = "alice", **changes: Any) -> str:
    """A code for a user who has just signed in."""
    return signed_in(op, user).authorize(client_id, **changes).in_query["code"]


def outcome(work: Callable[[], Answer]) -> int | str:
    """The HTTP status of an answer, or the name of the exception in its place."""
    try:
        return work().status
    except Exception as err:  # noqa: BLE001 what it raises is what the tests ask for
        return type(err).__name__


def hint_claims(op: Any, sub: str = "x", **changes: Any) -> dict[str, Any]:
    """The claims of an ID Token that is good for an hour."""
    now = op.clock()
    return {"iss": ISSUER, "sub": sub, "aud": ["basic"], "iat": now, "exp": now + 3600, "nonce": "n", "acr": "x"} | changes


def unsigned(claims: Mapping[str, Any]) -> str:
    """A JWT with the algorithm `none`."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."

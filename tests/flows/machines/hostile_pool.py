"""What the OP has given out so far: to be used in the wrong places, to be looked for in its log, and to judge its redirects by."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.bundled_op import OUT_URIS, REDIRECT_URIS, SECRETS
from tests.flows.machines.hostile_flows import PASSWORDS
from tests.flows.machines.hostile_values import GUESS
from tests.wsgi_browser import Answer

_SECRET = frozenset(
    [
        "access_token",
        "code",
        "client_secret",
        "confirmation",
        "csrf",
        "id_token",
        "op_login",
        "op_session",
        "refresh_token",
        "registration_access_token",
        "waiting",
        "resume",
        "op_browser_state",
    ]
)
_URIS = ("redirect_uris", "post_logout_redirect_uris")
_MOST_KNOWN = 600
_LOOKS_SECRET = re.compile(r"[A-Za-z0-9_.-]{20,}")
_LOOKED_FOR = 24
"""So many characters of a secret are looked for."""


class Pool:
    """Shared by all who send requests. `known` and `registered` are the latest values; secrets are all there ever were."""

    def __init__(self) -> None:
        self.known: list[str] = ["web", "asking", "spa", "user1", "user2", "the state"]
        self.registered: list[str] = [*REDIRECT_URIS.values(), *OUT_URIS.values()]
        self.secrets: set[str] = {*PASSWORDS.values(), *SECRETS.values(), GUESS}
        self.issued_cookies: set[str] = set()
        self._targets: dict[str, set[str]] = defaultdict(set)
        self._targets_of: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        for client_id, uri in [*REDIRECT_URIS.items(), *OUT_URIS.items()]:
            self._register(client_id, uri)

    def harvest(self, answer: Answer, chance: Random) -> None:
        """Take up everything that an answer gives out."""
        found = [*_of_location(answer), *_of_cookies(answer), *_of_body(answer)]
        with self._lock:
            for name, value in found:
                if name in _SECRET and _LOOKS_SECRET.fullmatch(value):
                    self.secrets.add(_part_looked_for(value))
                if name in ("op_session", "op_login"):
                    self.issued_cookies.add(value)
                if len(self.known) < _MOST_KNOWN:
                    self.known.append(value)
                else:
                    self.known[chance.randrange(_MOST_KNOWN)] = value
            self._note_client(answer)

    def is_origin(self, origin: str) -> bool:
        """Tell whether something is registered at an origin."""
        with self._lock:
            return any(base == origin or base.startswith(f"{origin}/") for base in self._targets)

    def is_target(self, location: str, client_id: str | None) -> bool:
        """Tell whether a redirect leads to a registered URI, with nothing but parameters behind it; of this client when it is named."""
        base = location.partition("#")[0].partition("?")[0]
        targets = self._targets[base] if client_id is None else self._targets[base] & self._targets_of[client_id]
        return any(location == uri or (location.startswith(uri) and location[len(uri)] in "?&#") for uri in targets)

    def found_in(self, log: str) -> list[str]:
        """Return the secrets that stand in a text."""
        words = {secret for secret in self.secrets if len(secret) < _LOOKED_FOR and secret in log}
        windows = (log[at : at + _LOOKED_FOR] for at in range(len(log)))
        return sorted(words.union(window for window in windows if window in self.secrets))

    def _note_client(self, answer: Answer) -> None:
        client = _json_of(answer)
        client_id = client.get("client_id")
        if answer.status not in (200, 201) or not isinstance(client_id, str):
            return
        for name in _URIS:
            for uri in client.get(name) or ():
                self._register(client_id, uri)
                if len(self.registered) < 100:
                    self.registered.append(uri)

    def _register(self, client_id: str, uri: str) -> None:
        self._targets[uri.partition("?")[0]].add(uri)
        self._targets_of[client_id].add(uri)


def _part_looked_for(secret: str) -> str:
    """The end of a signature, as every token of a kind begins alike; the beginning of anything else."""
    part = secret.rpartition(".")[2] if secret.startswith("ey") else secret
    return part[:_LOOKED_FOR]


def _of_location(answer: Answer) -> Iterator[tuple[str, str]]:
    is_own = answer.location.startswith("/")  # beside names of the OP's it holds what it was asked with
    for name, value in {**answer.query, **answer.fragment}.items():
        if not is_own or name in ("waiting", "resume"):
            yield name, value


def _of_cookies(answer: Answer) -> Iterator[tuple[str, str]]:
    for name, header in answer.cookies.items():
        value = header.partition(";")[0].partition("=")[2]
        if value:
            yield name, value


def _of_body(answer: Answer) -> Iterator[tuple[str, str]]:
    if answer.is_page() and b"<form" in answer.body:
        yield from ((name, value) for name, value in answer.form.fields.items() if value and name not in ("username", "password"))
    yield from ((name, value) for name, value in _json_of(answer).items() if isinstance(value, str) and value)


def _json_of(answer: Answer) -> dict[str, Any]:
    if not answer.body.startswith(b"{"):
        return {}
    value = json.loads(answer.body)
    return value if isinstance(value, dict) else {}

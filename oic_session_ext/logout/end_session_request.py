"""The request at `end_session_endpoint`: parsed strictly, and put aside for one redirect where the browser hides its cookie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..crypto.opaque_secret import digest_of, new_secret
from ..errors import InvalidRequest
from ..model import EphemeralRecord
from ..store.changes import PutEphemeral, TakeEphemeral
from ..store.unit_of_work import UnitOfWork

STASHED_REQUEST = "end_session_request"
"""Kind of the short-lived records that hold a request put aside."""

_STASH_LIFETIME_S = 60
_MAX_LENGTH = {
    "id_token_hint": 16 * 1024,
    "logout_hint": 1024,
    "client_id": 512,
    "post_logout_redirect_uri": 2048,
    "state": 4096,
}
_UI_LOCALES = "ui_locales"
_MAX_UI_LOCALES_LENGTH = 512
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EndSessionRequest:
    """The parameters of an end-session request, from an RP or from any other site; every parameter may be missing (OIDCRIL-2).

    `state` may be empty, which is not the same as missing. `logout_hint` never decides anything. `ui_locales` holds the
    well-formed language tags, most wanted first. An empty request is what a "sign out" link of the OP itself sends.
    """

    id_token_hint: str | None = None
    logout_hint: str | None = None
    client_id: str | None = None
    post_logout_redirect_uri: str | None = None
    state: str | None = None
    ui_locales: tuple[str, ...] = ()

    @classmethod
    def from_params(cls, pairs: Sequence[tuple[str, str]]) -> EndSessionRequest:
        """Return the request that a query string or form body holds; names that we do not know are ignored.

        Raises: InvalidRequest: a known parameter is repeated, over-long, or holds control characters. Not for `ui_locales`:
            whatever it holds is no error, and what cannot be a language tag is left out (OIDCRIL-2: SHOULD NOT).
        """
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in _MAX_LENGTH and name != _UI_LOCALES:
                continue
            if name in values:
                raise InvalidRequest(f"{name} came more than once")
            values[name] = value
        ui_locales = values.pop(_UI_LOCALES, "")
        for name, value in values.items():
            if len(value) > _MAX_LENGTH[name]:
                raise InvalidRequest(f"{name} is too long")
            if _CONTROL.search(value):
                raise InvalidRequest(f"{name} holds control characters")
        given: dict[str, str] = {name: value for name, value in values.items() if value or name == "state"}
        return cls(**given, ui_locales=parse_ui_locales(ui_locales))


def parse_ui_locales(text: str) -> tuple[str, ...]:
    """Return the well-formed language tags of a `ui_locales` value, none of them for garbage."""
    if len(text) > _MAX_UI_LOCALES_LENGTH:
        return ()
    return tuple(tag for tag in text.split(" ") if _LANGUAGE_TAG.fullmatch(tag))


def stash_request(uow: UnitOfWork, request: EndSessionRequest) -> str:
    """Put a request aside for one minute; return the one-use key to resume it by, fit for a URL.

    An RP's cross-site POST comes without a `SameSite` cookie. The endpoint answers it with a redirect to itself by GET, which
    carries the cookie; this key is in its URL, and the ID Token is not.
    """
    key = new_secret()
    payload = {
        "id_token_hint": request.id_token_hint,
        "logout_hint": request.logout_hint,
        "client_id": request.client_id,
        "post_logout_redirect_uri": request.post_logout_redirect_uri,
        "state": request.state,
        "ui_locales": list(request.ui_locales),
    }
    uow.add(PutEphemeral(EphemeralRecord(STASHED_REQUEST, key.digest, uow.now + _STASH_LIFETIME_S, payload)))
    return key.value


def resume_request(uow: UnitOfWork, key: str) -> EndSessionRequest:
    """Return the request put aside under `key`, which can be resumed once.

    For a key that is spent, late or made up that is an empty request: a page reloaded asks the user, at most.
    """
    digest = digest_of(key)
    record = None if digest is None else uow.ephemeral(STASHED_REQUEST, digest)
    if record is None:
        return EndSessionRequest()
    uow.add(TakeEphemeral(STASHED_REQUEST, record.key, uow.now))
    payload: Mapping[str, Any] = record.payload
    return EndSessionRequest(**{**payload, "ui_locales": tuple(payload["ui_locales"])})

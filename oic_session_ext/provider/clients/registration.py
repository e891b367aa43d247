"""Dynamic registration by pyoidc's own endpoint, held to the rules that the specifications have for clients (OIDCREG-2, RFC 7591).

pyoidc keeps nearly everything it is sent: script addresses, half a client when it refuses, and secrets that end after a day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oic.exception import PyoidcError
from oic.oic.provider import InvalidSectorIdentifier
from oic.utils.http_util import Response

from ...clients.logout_metadata import FLAGS, LogoutSupport, logout_metadata_problems, logout_support_problems
from ...clients.request_uris import request_object_problems
from ...clients.uris import UriRules
from ...errors import InvalidToken, ProtocolError
from ...validation import Problem
from ...web.guarded_fetch import FetchFailed, FetchRefused
from ...web.uri import fetched_problem, split_absolute_uri
from ..parts import OpParts
from .pairwise import join_sector, sector_of

_KEYS = ("jwks", "jwks_uri")


class RegistrationEndpoint:
    """Checks what a client sends before pyoidc keeps it, and leaves nothing of a client that is refused."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def answer(self, request: Any, authn: str | None, method: str, theirs: Callable[..., Response], **kwargs: Any) -> Response:
        """Answer a registration request: register (POST) or read (GET, with the registration access token).

        `request` is the JSON body, or the query string of a GET; `theirs` is pyoidc's endpoint, or the adopter's own.
        """
        registers = method.upper() == "POST"
        refuse = self._parts.refuse_as_json
        try:
            if registers:
                self._parts.policy.check_registrant(authn)
                request = json.dumps(self._checked(request))
            elif not (authn or "").startswith("Bearer ") or not str(authn)[len("Bearer ") :].strip():
                raise InvalidToken("the registration access token is needed")  # an empty one fits every client that has none
            response = theirs(request, authn, method, **kwargs)
            if response.status_code == 401:
                raise InvalidToken("the registration access token is not good")
        except ProtocolError as err:
            return refuse(err)
        except (PyoidcError, AssertionError) as err:  # a value of a kind that pyoidc does not expect
            return refuse(_refusal("a value is malformed", detail=type(err).__name__))
        if registers and response.status_code >= 400:
            return refuse(_refusal(_description_of(response)))
        return response

    def keep_client(self, request: Any, client_id: str, ignore: list[str] | None, keep: Callable[..., Any]) -> Any:
        """Return what `keep`, pyoidc's `do_client_registration`, keeps of a client, put right.

        Raises: ProtocolError: it is refused, and nothing of it stays (RFC 7591, 3.2.2).
        """
        op = self._parts.op
        keys = {name: request[name] for name in _KEYS if name in request}
        for name in keys:  # pyoidc would fetch them unguarded
            del request[name]
        try:
            kept = keep(request, client_id, ignore)
            if isinstance(kept, Response):
                raise _refusal(_description_of(kept))
        except Exception:
            del op.cdb[client_id]
            raise
        kept.update(keys)
        kept.setdefault("grant_types", ["authorization_code"])  # pyoidc leaves the default out (OIDCREG-2)
        if kept.get("subject_type") == "pairwise":
            join_sector(kept, list(op.cdb.items()), self._parts.secrets)
        op.recuperate_keys(client_id, kept)
        return kept

    def verify_sector_identifier(self, request: Any) -> tuple[list[str], str]:
        """Fetch `sector_identifier_uri` guarded; it must list every redirect URI (OIDCREG-5: MUST)."""
        uri = str(request["sector_identifier_uri"])
        try:
            listed = self._parts.guarded_fetch.json(uri)
        except FetchRefused:  # the same request may succeed a moment later
            raise
        except FetchFailed as err:
            raise InvalidSectorIdentifier(f"sector_identifier_uri: {err}") from err
        if not isinstance(listed, list) or not all(one in listed for one in request["redirect_uris"]):
            raise InvalidSectorIdentifier("sector_identifier_uri: must be a JSON array with every one of the redirect_uris")
        return listed, uri

    def _checked(self, request: Any) -> dict[str, Any]:
        try:
            metadata = dict(request) if isinstance(request, Mapping) else json.loads(request or "")
        except (ValueError, TypeError, RecursionError) as err:
            raise _refusal("the body is not JSON") from err
        if not isinstance(metadata, dict):
            raise _refusal("the body is not a JSON object")
        kinds = self._kinds()
        metadata = {name: value for name, value in metadata.items() if value is not None and name.partition("#")[0] in kinds}
        wrong = [((name,), "is of the wrong kind") for name, value in metadata.items() if not _is(value, kinds[name.partition("#")[0]])]
        if "redirect_uris" not in metadata:
            wrong.append((("redirect_uris",), "is missing"))
        for place, problem in wrong or self._problems(metadata):
            code = "invalid_redirect_uri" if place[0] == "redirect_uris" else "invalid_client_metadata"
            raise ProtocolError(f"{'.'.join(map(str, place))}: {problem}", error=code)
        return metadata

    def _kinds(self) -> dict[str, Any]:
        """Return the names that a client may register, each with its type, or the type of its members in a list; others mean nothing."""
        known = self._parts.op.server.message_factory.get_request_type("registration_endpoint").c_param
        return dict.fromkeys(FLAGS, bool) | {name: spec[0] for name, spec in known.items()} | {"jwks": dict}

    def _problems(self, metadata: Mapping[str, Any]) -> Iterator[Problem]:
        rules = UriRules.of(metadata)
        for index, uri in enumerate(metadata["redirect_uris"]):
            if problem := rules.redirect_problem(uri):
                yield ("redirect_uris", index), problem
        if metadata.get("subject_type") == "pairwise" and sector_of(metadata) is None:
            yield ("subject_type",), "pairwise needs redirect_uris with a host, or a sector_identifier_uri"
        yield from logout_metadata_problems(metadata)
        yield from logout_support_problems(metadata, LogoutSupport.of(self._parts.settings.delivery))
        yield from request_object_problems(metadata, self._parts.policy.request_objects, self._parts.address_guard)
        for name in ("request_object_encryption_alg", "request_object_encryption_enc"):
            if name in metadata:
                yield (name,), "request objects cannot be encrypted here"
        if metadata.get("id_token_signed_response_alg") == "none":
            yield ("id_token_signed_response_alg",), "must not be none: such a token proves nothing"
        for name in ("jwks_uri", "sector_identifier_uri", "initiate_login_uri"):
            uri = metadata.get(name)
            if uri is not None and (refusal := self._address_problem(name, uri)):
                yield (name,), refusal

    def _address_problem(self, name: str, uri: str) -> str | None:
        if name != "initiate_login_uri":
            return fetched_problem(uri) or self._parts.address_guard.refuses_uri(uri)
        try:
            return None if split_absolute_uri(uri).scheme == "https" else "must be https"
        except ValueError as err:
            return str(err)


def _is(value: Any, kind: Any) -> bool:
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(isinstance(one, kind[0]) for one in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _refusal(description: str, detail: str = "") -> ProtocolError:
    return ProtocolError(description, error="invalid_client_metadata", detail=detail)


def _description_of(response: Response) -> str:
    """Return pyoidc's description of its refusal."""
    try:
        return str(json.loads(response.message)["error_description"])
    except (ValueError, TypeError, KeyError):
        return "the metadata cannot be registered"

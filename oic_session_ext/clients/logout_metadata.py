"""What may be registered about logout for a client: by itself, the settings file, or a deployer's own client database.

Two questions: is the metadata good by itself, and does it fit this OP? No framework is known here; every way of registering asks the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..settings import DeliverySettings
from ..validation import Problem
from ..web.address_guard import AddressGuard
from ..web.uri import scheme_host_port, split_absolute_uri
from .uris import UriRules

FLAGS = (
    "frontchannel_logout_session_required",
    "frontchannel_logout_add_session",
    "backchannel_logout_session_required",
    "backchannel_logout_token_typ",
)
"""The names whose value is a JSON boolean. Two are this project's own: `frontchannel_logout_add_session` (default true) is whether
`iss` and `sid` are added where they are not required, `backchannel_logout_token_typ` (default true) whether a Logout Token has the
header `typ: logout+jwt`, which some RPs' libraries refuse."""

CHANNEL_URIS = ("frontchannel_logout_uri", "backchannel_logout_uri")


@dataclass(frozen=True, slots=True)
class LogoutSupport:
    """What this OP does about logout.

    `frontchannel` and `backchannel` are whether RPs are notified over the channel, with `iss` and `sid` then; `guard` which addresses the
    OP may be sent to.
    """

    frontchannel: bool = True
    backchannel: bool = True
    guard: AddressGuard = field(default_factory=AddressGuard)

    @classmethod
    def of(cls, settings: DeliverySettings) -> LogoutSupport:
        """Return the support that the settings define."""
        return cls(settings.frontchannel, settings.backchannel, AddressGuard(settings.allow_networks))


def logout_metadata_problems(metadata: Mapping[str, Any], *, permits_http: bool = False) -> Iterator[Problem]:
    """Yield what the specifications refuse, of metadata by their registered names (REG-01 to REG-07, FC-07).

    URIs are full strings. `permits_http`: the OP lets this client use http where the specifications leave it the choice.
    """
    for name in FLAGS:
        if name in metadata and not isinstance(metadata[name], bool):
            yield (name,), "must be true or false, as a JSON boolean"
    rules = UriRules.of(metadata, permits_http=permits_http)
    uris = metadata.get("post_logout_redirect_uris")
    if uris is not None and not isinstance(uris, list | tuple):
        yield ("post_logout_redirect_uris",), "must be a list of URIs"
        uris = None
    for index, uri in enumerate(uris or ()):
        if problem := rules.post_logout_problem(uri) if isinstance(uri, str) else "must be text":
            yield ("post_logout_redirect_uris", index), problem
    for name in CHANNEL_URIS:
        uri = metadata.get(name)
        if uri is None:
            continue
        problem = rules.logout_problem(uri) if isinstance(uri, str) else "must be text"
        if not problem and name == "frontchannel_logout_uri":
            problem = _frontchannel_problem(uri, metadata)
        if problem:
            yield (name,), problem


def logout_support_problems(metadata: Mapping[str, Any], support: LogoutSupport) -> Iterator[Problem]:
    """Yield what does not fit this OP, of metadata that are good by themselves (REG-10, SEC-08)."""
    for channel, is_on in (("frontchannel", support.frontchannel), ("backchannel", support.backchannel)):
        name = f"{channel}_logout_session_required"
        if metadata.get(name) is True and not is_on:
            yield (name,), f"cannot be true: this OP has no {channel} logout"
    uri = metadata.get("backchannel_logout_uri")
    if uri is not None and support.backchannel and (problem := support.guard.refuses_uri(uri)):
        yield ("backchannel_logout_uri",), problem


def is_mixed_content(metadata: Mapping[str, Any], issuer: str) -> bool:
    """Return whether browsers will block the front-channel page, an http one inside of an https page (FC-18)."""
    uri = str(metadata.get("frontchannel_logout_uri") or "")
    return issuer.startswith("https:") and urlsplit(uri).scheme == "http"


def _frontchannel_problem(uri: str, metadata: Mapping[str, Any]) -> str:
    parts = split_absolute_uri(uri)
    if not any(_is_of_origin(redirect_uri, scheme_host_port(parts)) for redirect_uri in metadata.get("redirect_uris") or ()):
        return "must have the scheme, host and port of one of the redirect_uris (OIDCFCL-2)"
    taken = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} & {"iss", "sid"}
    return f"must not have {' or '.join(sorted(taken))} in its query: the OP adds it" if taken else ""


def _is_of_origin(uri: Any, origin: tuple[str, str, int | None]) -> bool:
    try:
        return scheme_host_port(split_absolute_uri(str(uri))) == origin
    except ValueError:
        return False

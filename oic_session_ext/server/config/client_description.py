"""What a client tells people and other sites about itself: what the login and consent pages show, and where a login at it begins.

A part of a client's settings, and of what it may register (OIDCREG-2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from ...validation import Problem
from ...web.uri import split_absolute_uri
from .types import SettingsSection, Text

Uri = Annotated[str, Field(min_length=1, max_length=2000)]


class ClientDescription(SettingsSection):
    """The part of a client that says where more about it is found."""

    client_uri: Uri | None = None
    """The client's own page (https), a link on the pages that ask the user for it."""

    logo_uri: Uri | None = None
    """The client's logo (https), shown on the login and consent pages; the browser fetches it from there."""

    policy_uri: Uri | None = None
    """What the client says of how it uses personal data (https), a link on the pages that ask the user for it."""

    tos_uri: Uri | None = None
    """The client's terms of service (https), a link on the pages that ask the user for it."""

    contacts: Annotated[tuple[Text, ...], Field(max_length=20)] | None = None
    """Mail addresses of the people who run the client; for you alone."""

    initiate_login_uri: Uri | None = None
    """Where others can begin a login at the client (https, OIDCC-4): the OP's front page links to it, with `iss`."""

    def description_problems(self) -> Iterator[Problem]:
        """Yield every address that is not https."""
        for name in ("client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri"):
            uri = getattr(self, name)
            if uri is not None and (problem := _https_problem(uri)):
                yield (name,), problem


def _https_problem(uri: str) -> str:
    try:
        return "" if split_absolute_uri(uri).scheme == "https" else "must be https"
    except ValueError as err:
        return str(err)


def shown_of(client: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the pages that ask the user for a client show of it: its logo, and links to more."""
    return {name: (client or {}).get(name) for name in ("client_uri", "logo_uri", "policy_uri", "tos_uri")}

"""Descriptive metadata of a client: links and logo on the login and consent pages, contacts, and `initiate_login_uri`.

Part of a client's settings and of dynamic registration (OIDCREG-2).
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
    """The descriptive metadata in a client's settings."""

    client_uri: Uri | None = None
    """The client's home page (https), a link on the login and consent pages."""

    logo_uri: Uri | None = None
    """The client's logo (https), shown on the login and consent pages; the browser fetches it from this URI."""

    policy_uri: Uri | None = None
    """The client's privacy policy (https), a link on the login and consent pages."""

    tos_uri: Uri | None = None
    """The client's terms of service (https), a link on the login and consent pages."""

    contacts: Annotated[tuple[Text, ...], Field(max_length=20)] | None = None
    """Mail addresses of the people responsible for the client; not shown to users."""

    initiate_login_uri: Uri | None = None
    """The URI at which other sites can start a login at the client (https, OIDCC-4); the OP's front page links to it with `iss`."""

    def description_problems(self) -> Iterator[Problem]:
        """Yield every URI that is not https."""
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
    """Return the metadata of a client that the login and consent pages show: its logo and links."""
    return {name: (client or {}).get(name) for name in ("client_uri", "logo_uri", "policy_uri", "tos_uri")}

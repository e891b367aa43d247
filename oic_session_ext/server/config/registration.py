"""The sections `registration` and `request_objects` of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ...validation import Problem
from .types import Duration, Flag, Places, SecretSource, SettingsSection, access_token_problems, matches_secret


class RegistrationSettings(SettingsSection):
    """Dynamic client registration."""

    mode: Literal["off", "open", "token"] = "off"
    """`off`: only the clients of this file. `open`: every request may register a client. `token`: only requests with the initial access
    token."""

    initial_access_token: SecretSource | None = None
    """The source of the initial access token, for mode `token`."""

    max_per_address: Places = 20
    """In mode `open`: the number of clients that may be registered from one address (IPv6: one /64) within the window."""

    window_s: Duration = 3600
    """The window in which registrations are counted."""

    allow_http: Flag = False
    """Whether a confidential client that registers itself may use `http` on other hosts than this machine."""

    client_secret_lifetime_s: Duration | None = None
    """How long the secret of a dynamically registered client is valid; without it, for ever. The client renews its secret with an update
    of its registration."""

    def problems(self) -> Iterator[Problem]:
        """Yield a token that is missing, too short or unused."""
        if self.mode != "token":
            if self.initial_access_token is not None:
                yield ("initial_access_token",), f"is not used in mode {self.mode}; remove it or set mode: token"
        elif self.initial_access_token is None:
            yield ("initial_access_token",), "is missing: mode token needs it, with file or env"
        else:
            yield from access_token_problems("initial_access_token", self.initial_access_token)

    def is_initial_access_token(self, given: str) -> bool:
        """Return in constant time whether `given` is the initial access token.

        The token is read anew, so that a change of its file is effective at once. If the file is missing, every request is
        refused.
        """
        return self.mode == "token" and self.initial_access_token is not None and matches_secret(self.initial_access_token, given)


class RequestObjectSection(SettingsSection):
    """Request objects: authorization requests in a JWT, signed by the client (OIDCC-6, RFC 9101)."""

    by_value: Flag = True
    """Whether a request may contain the object itself (`request`)."""

    by_reference: Flag = True
    """Whether a request may have the URI of the object (`request_uri`). It is fetched only from URIs that the client has registered
    (`request_uris`), with the restrictions of all fetches (`logout.backchannel.allow_networks`)."""

    unsigned: Flag = False
    """Whether objects with `alg: none` are accepted from clients that registered no other `request_object_signing_alg`. Like a query,
    they prove nothing about the sender. Some plans of the OpenID Foundation's certification use them."""

"""The sections `registration` and `request_objects` of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ...validation import Problem
from .types import Duration, Flag, Places, SecretSource, SettingsSection, _access_token_problems, _holds


class RegistrationSettings(SettingsSection):
    """Dynamic client registration."""

    mode: Literal["off", "open", "token"] = "off"
    """`off`: only the clients of this file. `open`: anybody may register a client. `token`: whoever has the initial access token."""

    initial_access_token: SecretSource | None = None
    """Where the initial access token is kept, for mode `token`."""

    max_per_address: Places = 20
    """In mode `open`: so many clients may be registered from one address (of IPv6: one /64) within the window."""

    window_s: Duration = 3600
    """The window in which registrations are counted."""

    allow_http: Flag = False
    """Whether a confidential client that registers itself may use `http` on other hosts than this machine."""

    client_secret_lifetime_s: Duration | None = None
    """How long the secret of a client that registered itself is good; without it, for ever. A client renews it by updating itself."""

    def problems(self) -> Iterator[Problem]:
        """Yield a token that is missing, too short, or without use."""
        if self.mode != "token":
            if self.initial_access_token is not None:
                yield ("initial_access_token",), f"has no use in mode {self.mode}; take it away or set mode: token"
        elif self.initial_access_token is None:
            yield ("initial_access_token",), "is missing: mode token needs it, with file or env"
        else:
            yield from _access_token_problems("initial_access_token", self.initial_access_token)

    def is_initial_access_token(self, given: str) -> bool:
        """Tell in constant time whether `given` is the initial access token.

        The token is read anew, so one that is changed in its file counts at once; a lost file refuses everybody.
        """
        return self.mode == "token" and self.initial_access_token is not None and _holds(self.initial_access_token, given)


class RequestObjectSection(SettingsSection):
    """Request objects: authorization requests in a JWT, signed by the client (OIDCC-6, RFC 9101)."""

    by_value: Flag = True
    """Whether a request may bring the object itself (`request`)."""

    by_reference: Flag = True
    """Whether a request may say where the object is (`request_uri`); it is fetched only from where the client has registered
    (`request_uris`), guarded as all that the OP fetches (`logout.backchannel.allow_networks`)."""

    unsigned: Flag = False
    """Whether objects with `alg: none` are taken too, of clients that registered no other `request_object_signing_alg`. They prove as much
    as a query does: nothing. Some plans of the OpenID Foundation's certification use them."""

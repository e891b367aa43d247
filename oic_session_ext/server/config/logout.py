"""What the settings file says about logout: when the user is asked, what they wait for, how RPs are told."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictInt
from pydantic.networks import IPvAnyNetwork

from ...settings import DeliverySettings
from ...validation import Problem
from .types import ConfigPath, Count, Duration, Flag, SettingsSection

_LONGEST_DEADLINE_S = 30


class BackchannelSettings(SettingsSection):
    """Back-Channel Logout 1.0: how clients are told, and when they are given up on."""

    enabled: Flag = True
    """Whether clients are told over the back channel at all; what they have registered for it is ignored otherwise."""

    deliver: Literal["here", "elsewhere"] = "here"
    """`here`: every server process tells clients. `elsewhere`: servers only record what is to be told; `oic-session-ext deliver` tells it,
    where the servers themselves cannot reach the clients."""

    allow_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks that clients may be in beside the public Internet, such as 10.1.0.0/16 or 127.0.0.0/8. Without it every loopback,
    private, link-local, metadata and multicast address is refused, so that nobody who registers a client can send the OP to its own
    neighbours."""

    ca_file: ConfigPath | None = None
    """The certificates (PEM) that clients' certificates are checked against; without it those of the system."""

    token_lifetime_s: Duration = 120
    """For how long a Logout Token is good, 2m at most (OIDCBCL-4). Each attempt has a fresh one."""

    connect_timeout_s: Duration = 5
    """How long one connection to a client may take to be made, with its name looked up and its certificate checked; 60s at most."""

    timeout_s: Duration = 5
    """How long one attempt may take as a whole, up to the last header of the answer; 60s at most."""

    max_concurrency: Annotated[StrictInt, Field(ge=2, le=10000)] = 128
    """How many attempts one process makes at a time; half of them are kept for users who are waiting for their logout."""

    max_concurrency_per_client: Annotated[StrictInt, Field(ge=1, le=1000)] = 8
    """How many attempts one process makes at a time at one client."""

    poll_interval_s: Duration = 1
    """How often a process looks for notices that are due; 60s at most."""

    lease_s: Duration = 30
    """For how long a process has a notice to itself; when it dies meanwhile, another one delivers it after that."""

    first_pause_s: Duration = 5
    """How long after the first failed attempt the second is made; each further pause is twice as long. Half of a pause is random."""

    max_pause_s: Duration = 3600
    """The longest pause between two attempts, whatever a client asks for by Retry-After."""

    max_attempts: Count = 40
    """After so many attempts a notice is given up on. Those that only try whether a client answers at all again do not lead to that."""

    give_up_after_s: Duration = 86400
    """So long after the end of a session its notices are not tried again."""

    undeliverable_kept_s: Duration = 30 * 86400
    """For how long `oic-session-ext notices` finds what was given up on."""

    breaker_failures: Count = 5
    """After so many failures in a row that may pass, a client is left alone for a while; then one notice tries whether it answers."""

    breaker_max_pause_s: Duration = 300
    """The longest time for which a client is left alone; the first is `lease`, each further one twice as long."""

    def problems(self) -> Iterator[Problem]:
        """Yield what is out of bounds, and certificates that are not there."""
        bounds = {"token_lifetime": (self.token_lifetime_s, 120), "connect_timeout": (self.connect_timeout_s, 60)}
        bounds |= {"timeout": (self.timeout_s, 60), "poll_interval": (self.poll_interval_s, 60)}
        for name, (value, most) in bounds.items():
            if value > most:
                yield (name,), f"must be at most {most}s"
        if self.lease_s < self.timeout_s + 5:
            yield ("lease",), "must be at least 5s longer than timeout, so that no attempt outlives it"
        if self.ca_file is not None:
            try:
                ssl.create_default_context(cafile=str(self.ca_file))
            except OSError as err:  # SSLError is one
                yield ("ca_file",), f"{self.ca_file} cannot be read as PEM certificates: {err.strerror or 'there are none'}"


class LogoutSettings(SettingsSection):
    """RP-Initiated Logout 1.0."""

    ask: Literal["when_required", "always"] = "when_required"
    """When the user is asked before an RP's logout request is carried out: where the specification says MUST, or always."""

    redirect_without_hint: Flag = False
    """Whether `client_id`, an exactly registered URI and the user's "yes" are enough to redirect when no `id_token_hint` came."""

    recent_s: Duration = 86400
    """For how long a hint of an ended session still identifies its RP."""

    revoke_offline_access: Flag = False
    """Whether a logout (by the user, an RP or an administrator) ends the grants with `offline_access` of the session too. Without it
    their refresh tokens live on, as OIDCBCL-2.7 wants it normally; a session that runs out never ends them."""

    confirmation_lifetime_s: Duration = 600
    """For how long the logout question may stay open in the browser."""

    frontchannel: Flag = True
    """Front-Channel Logout 1.0: whether the logout page loads the clients' front-channel logout URIs."""

    frontchannel_wait_s: Duration = 4
    """How long the logout page waits at most for the front-channel logout pages that it frames; 30s at most."""

    reading_time_s: Duration = 3
    """How long the logout page stays, if it names RPs that were not notified, before it goes on to the RP; its link goes on at once. 30s
    at most."""

    clear_site_data: Flag = False
    """Whether a logout has the browser drop what it has cached and stored for the OP's origin (`Clear-Site-Data: "cache", "storage"`),
    but no cookie. The OP must have that origin to itself."""

    deadline_s: Duration = 2
    """How long a user waits at most, at the end of a logout, for clients to be told over the back channel; 30s at most."""

    backchannel: BackchannelSettings = BackchannelSettings()
    """How clients are told over the back channel."""

    def delivery_settings(self) -> DeliverySettings:
        """Return the extension's share of the settings of both channels."""
        back = self.backchannel
        return DeliverySettings(
            frontchannel=self.frontchannel,
            backchannel=back.enabled,
            max_concurrency_per_rp=back.max_concurrency_per_client,
            ca_file=None if back.ca_file is None else str(back.ca_file),
            **back.model_dump(exclude={"enabled", "deliver", "max_concurrency_per_client", "ca_file"}),
        )

    def problems(self) -> Iterator[Problem]:
        """Yield the waits that no user would bear."""
        for name, wait_s in (
            ("deadline", self.deadline_s),
            ("frontchannel_wait", self.frontchannel_wait_s),
            ("reading_time", self.reading_time_s),
        ):
            if wait_s > _LONGEST_DEADLINE_S:
                yield (name,), f"must be at most {_LONGEST_DEADLINE_S}s: the user waits for it"

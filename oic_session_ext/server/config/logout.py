"""The section `logout` of the YAML file: the confirmation question, waiting times, and notification of RPs."""

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
    """Back-Channel Logout 1.0: how clients are notified, and when a notice becomes undeliverable."""

    enabled: Flag = True
    """Whether clients are notified over the back channel; if not, their back-channel registration is ignored."""

    deliver: Literal["here", "elsewhere"] = "here"
    """`here`: every server process sends logout notices. `elsewhere`: servers only record notices and `oic-session-ext deliver` sends
    them, for servers that cannot reach the clients."""

    allow_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks in which clients may be, in addition to the public Internet, such as 10.1.0.0/16 or 127.0.0.0/8. Without it every
    loopback, private, link-local, metadata and multicast address is refused, so that a registered client cannot make the OP send
    requests to its internal network."""

    ca_file: ConfigPath | None = None
    """CA certificates (PEM) for the verification of clients' certificates; without it those of the system."""

    token_lifetime_s: Duration = 120
    """How long a Logout Token is valid, 2m at most (OIDCBCL-4). Each attempt sends a new token."""

    connect_timeout_s: Duration = 5
    """How long the connection to a client may take, including name look-up and certificate verification; 60s at most."""

    timeout_s: Duration = 5
    """How long one attempt may take in total, up to the last header of the response; 60s at most."""

    max_concurrency: Annotated[StrictInt, Field(ge=2, le=10000)] = 128
    """How many attempts one process makes concurrently; half of them are reserved for users who are waiting for their logout."""

    max_concurrency_per_client: Annotated[StrictInt, Field(ge=1, le=1000)] = 8
    """How many attempts one process makes concurrently at one client."""

    poll_interval_s: Duration = 1
    """How often a process looks for notices that are due; 60s at most."""

    lease_s: Duration = 30
    """How long a process leases a notice; if the process dies, another one delivers the notice after that time."""

    first_pause_s: Duration = 5
    """The pause between the first failed attempt and the second; each further pause is twice as long. Half of a pause is random."""

    max_pause_s: Duration = 3600
    """The longest pause between two attempts, even if a client sends a longer Retry-After."""

    max_attempts: Count = 40
    """The number of attempts after which a notice becomes undeliverable. Attempts that only test whether a client is available again do
    not make it undeliverable."""

    give_up_after_s: Duration = 86400
    """How long after the end of a session its notices are retried."""

    undeliverable_kept_s: Duration = 30 * 86400
    """How long undeliverable notices are kept for `oic-session-ext notices`."""

    breaker_failures: Count = 5
    """The number of consecutive temporary failures after which requests to a client are paused; then one notice tests whether it
    responds."""

    breaker_max_pause_s: Duration = 300
    """The longest pause of a client; the first is `lease`, each further one is twice as long."""

    def problems(self) -> Iterator[Problem]:
        """Yield values that are out of bounds, and unreadable certificates."""
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
            except OSError as err:  # includes SSLError
                yield ("ca_file",), f"{self.ca_file} cannot be read as PEM certificates: {err.strerror or 'there are none'}"


class LogoutSettings(SettingsSection):
    """RP-Initiated Logout 1.0."""

    ask: Literal["when_required", "always"] = "when_required"
    """When the user is asked before an RP's logout request is executed: if the specification requires it (MUST), or always."""

    redirect_without_hint: Flag = False
    """Whether a logout request without `id_token_hint` may redirect, if it has `client_id` and an exactly registered URI and the user
    has confirmed it."""

    recent_s: Duration = 86400
    """How long an `id_token_hint` of an ended session still identifies its RP."""

    revoke_offline_access: Flag = False
    """Whether a logout (by the user, an RP or an administrator) also ends the session's grants with `offline_access`. Without it
    their refresh tokens stay valid, which OIDCBCL-2.7 defines as the normal case; the expiry of a session never ends them."""

    confirmation_lifetime_s: Duration = 600
    """How long the logout question stays valid in the browser."""

    frontchannel: Flag = True
    """Front-Channel Logout 1.0: whether the logout page loads the clients' front-channel logout URIs."""

    frontchannel_wait_s: Duration = 4
    """The maximum wait of the logout page for the framed front-channel logout pages; 30s at most."""

    reading_time_s: Duration = 3
    """How long the logout page stays, if it names RPs that were not notified, before it goes on to the RP; its link goes on at once. 30s
    at most."""

    clear_site_data: Flag = False
    """Whether a logout makes the browser clear its cache and storage for the OP's origin (`Clear-Site-Data: "cache", "storage"`), but
    not its cookies. No other application may use that origin."""

    deadline_s: Duration = 2
    """The maximum wait of a user at the end of a logout for back-channel notification of clients; 30s at most."""

    backchannel: BackchannelSettings = BackchannelSettings()
    """Notification of clients over the back channel."""

    def delivery_settings(self) -> DeliverySettings:
        """Return the extension's settings of both channels."""
        back = self.backchannel
        return DeliverySettings(
            frontchannel=self.frontchannel,
            backchannel=back.enabled,
            max_concurrency_per_rp=back.max_concurrency_per_client,
            ca_file=None if back.ca_file is None else str(back.ca_file),
            **back.model_dump(exclude={"enabled", "deliver", "max_concurrency_per_client", "ca_file"}),
        )

    def problems(self) -> Iterator[Problem]:
        """Yield waiting times that are too long for a user."""
        for name, wait_s in (
            ("deadline", self.deadline_s),
            ("frontchannel_wait", self.frontchannel_wait_s),
            ("reading_time", self.reading_time_s),
        ):
            if wait_s > _LONGEST_DEADLINE_S:
                yield (name,), f"must be at most {_LONGEST_DEADLINE_S}s: the user waits for it"

"""The extension's own settings: no file, no framework. Durations are in seconds, as their names show."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[int, Field(gt=0)]


class DeliverySettings(BaseModel):
    """Over which channels RPs are told, how over the back channel, and when they are given up on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frontchannel: bool = True
    """Front-Channel Logout 1.0 as a whole. Off, discovery does not speak of it, and what clients have registered for it is ignored."""

    backchannel: bool = True
    """Back-Channel Logout 1.0 as a whole, likewise."""

    token_lifetime_s: Annotated[int, Field(gt=0, le=120)] = 120
    """For how long a Logout Token is good (OIDCBCL-4: preferably two minutes at most); each attempt has a fresh one."""

    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long one connection to an RP may take to be made, with its name looked up and its TLS certificate checked."""

    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long one attempt may take as a whole, from the look-up of the name to the answer's last header."""

    max_concurrency: Annotated[int, Field(ge=2, le=10000)] = 128
    """How many attempts one process makes at a time; half of them are kept for users who are waiting for their logout."""

    max_concurrency_per_rp: Annotated[int, Field(ge=1, le=1000)] = 8
    """How many attempts one process makes at a time at one RP."""

    max_waiting_threads: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many threads of one process may wait for RPs at the same time until `logout_deadline_s`, and twice as many for `brief_wait_s`; a
    further logout does not wait, and its page asks again. A quarter of the threads that answer requests is a good value; the bundled
    server sets it so."""

    brief_wait_s: Annotated[float, Field(ge=0, le=5)] = 0.3
    """How long a logout waits for RPs even if `max_waiting_threads` wait already: most RPs answer in that time."""

    poll_interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often a worker looks for notices that are due."""

    lease_s: Seconds = 30
    """For how long a worker has a notice to itself; when it dies meanwhile, another one delivers it after that."""

    first_pause_s: Seconds = 5
    """How long after the first failed attempt the second is made; each further pause is twice as long. Half of a pause is random."""

    max_pause_s: Seconds = 3600
    """The longest pause between two attempts, whatever an RP asks for by Retry-After."""

    max_attempts: Seconds = 40
    """After so many attempts a notice is given up on. Those that only try whether an RP answers at all again do not lead to that."""

    give_up_after_s: Seconds = 86400
    """So long after the end of a session its notices are not tried again."""

    undeliverable_kept_s: Seconds = 30 * 86400
    """For how long an operator finds the notices that were given up on."""

    breaker_failures: Seconds = 5
    """After so many failures in a row that may pass, an RP is left alone for a while; then one notice tries whether it answers again."""

    breaker_max_pause_s: Seconds = 300
    """The longest time for which an RP is left alone; the first is `lease_s`, each further one twice as long."""

    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that RPs may be in beside the public Internet, such as 10.1.0.0/16; without this every address of a loopback, private,
    link-local, metadata or multicast network is refused, so that a client cannot send the OP to its own neighbours."""

    ca_file: str | None = None
    """The certificates (PEM) that RPs' certificates are checked against; None for those of the system."""

    @model_validator(mode="after")
    def _lease_outlasts_an_attempt(self) -> Self:
        if self.lease_s < self.timeout_s + 5:
            raise ValueError("lease_s must be at least 5 seconds longer than timeout_s")
        return self


class OutboundSettings(BaseModel):
    """Limits for documents that the OP fetches from its clients' servers: keys, request objects, sector identifiers.

    Networks and certificates are those of `DeliverySettings`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long one fetch may take as a whole, from the look-up of the name to the end of the body."""

    max_concurrency: Annotated[int, Field(ge=1, le=10000)] = 64
    """How many fetches one process makes at a time; a further one is refused."""

    max_concurrency_per_host: Annotated[int, Field(ge=1, le=1000)] = 8
    """How many fetches one process makes at a time at one host."""

    max_waiting_threads: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many threads of one process may wait for a fetch at the same time. Requests that need a further one are answered with 503,
    `temporarily_unavailable`. A quarter of the threads that answer requests is a good value; the bundled server sets it so."""

    breaker_failures: Seconds = 3
    """After so many failed fetches in a row a host pauses: fetches from it are refused at once."""

    breaker_first_pause_s: Seconds = 10
    """How long the first pause of a host lasts; each further one is twice as long."""

    breaker_max_pause_s: Seconds = 300
    """The longest pause of a host."""

    lookup_threads: Annotated[int, Field(ge=4, le=1000)] = 64
    """How many host names one process looks up at a time, each in a thread. A quarter of the threads is reserved for names that resolved
    before."""

    lookup_cache_s: Annotated[int, Field(ge=0, le=3600)] = 30
    """For how long the addresses of a host name are used again."""


class RequestObjectSettings(BaseModel):
    """Which request objects are taken: authorization requests in a JWT (OIDCC-6, RFC 9101)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by_value: bool = True
    """Whether a request may bring the object itself (`request`); off, the answer is `request_not_supported`."""

    by_reference: bool = True
    """Whether a request may name the object's address (`request_uri`), at an address that the client has registered in `request_uris`; off,
    the answer is `request_uri_not_supported`."""

    unsigned: bool = False
    """Whether objects with `alg: none` are taken, of clients that registered no other `request_object_signing_alg`. They prove as much as a
    query does: nothing. Some plans of the OpenID Foundation's certification use them (docs/adr/0016-request-objects.md)."""


class SessionManagementSettings(BaseModel):
    """How sessions are kept, watched and ended.

    Give one to `SessionManagementMixin`; every field has a default that is safe on the open Internet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check_session: bool = True
    """Session Management 1.0 as a whole: `session_state` in responses and `check_session_iframe` (OIDCSM-2, -3.3)."""

    check_session_loop_guard: bool = True
    """Whether the iframe answers `error` instead of `changed` once more than three values mismatch one `op_browser_state`; False is
    OIDCSM-3.2 to the letter, and lets an RP that ignores its own part reload for ever."""

    session_status: bool = False
    """Whether the OP answers, without cookies, if a session is still there: to the iframe in browsers that hide the cookie from it, by
    `session_state`, and to a client's server, by `sid` (docs/adr/0012-session-status.md)."""

    session_status_per_minute: Seconds = 600
    """How many questions of iframes one address may ask one process in a minute; many users may share an address."""

    login_status: bool = False
    """Whether login and logout are reported to the browser by `Set-Login` (FedCM Login Status). It applies to the whole origin, so the OP
    must have that to itself."""

    unauthenticated_key: str | None = Field(default=None, min_length=16)
    """The `op_browser_state` of browsers in which no user is signed in. With None it is made once
    and kept in the store, so that every server of a cluster has the same."""

    idle_timeout_s: Seconds = 8 * 3600
    """An OP session that no browser request used for so long is over."""

    absolute_timeout_s: Seconds = 14 * 86400
    """An OP session is over so long after its latest active login, used or not."""

    ask: Literal["when_required", "always"] = "when_required"
    """When the user is asked before an RP's logout request is carried out: only where the specification requires it, or
    always (docs/adr/0002-when-confirmation-is-asked.md; OIDCRIL-2)."""

    redirect_without_hint: bool = False
    """Whether `client_id`, an exactly registered URI and the user's own "yes" are enough to redirect after logout when no
    `id_token_hint` came (OIDCRIL-3 wants "other means of confirming the legitimacy")."""

    recent_s: Seconds = 86400
    """For how long an ended session counts as recent: a hint of it still identifies its RP (OIDCRIL-2)."""

    revoke_offline_access: bool = False
    """Whether a logout (by the user, an RP or an administrator) ends the grants with `offline_access` of the session too. Without it
    their refresh tokens live on, as OIDCBCL-2.7 wants it normally; a session that runs out never ends them."""

    confirmation_lifetime_s: Seconds = 600
    """For how long the logout question may stay open in the browser."""

    logout_deadline_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """How long the user waits at most, at the end of a logout, for RPs to be notified over the back channel."""

    reading_time_s: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long the logout page stays, if it names RPs that were not notified, before it goes on to the RP; its link goes on at once."""

    frontchannel_wait_s: Annotated[float, Field(gt=0, le=30)] = 4.0
    """How long the logout page waits at most for the front-channel logout pages that it frames, before it leaves for the RP."""

    clear_site_data: bool = False
    """Whether a logout has the browser drop what it has cached and stored for the OP's origin (`Clear-Site-Data: "cache", "storage"`), but
    no cookie. The OP must have that origin to itself."""

    delivery: DeliverySettings = DeliverySettings()
    """How RPs are notified over the back channel."""

    outbound: OutboundSettings = OutboundSettings()
    """Limits for what the OP fetches from clients' servers."""

    login_ticket_lifetime_s: Seconds = 120
    """For how long a pyoidc login cookie (`pyoidc`) may begin an OP session; it can do so once."""

    refresh_without_offline_access: bool = False
    """Whether clients that registered the `refresh_token` grant get a refresh token without `offline_access`. Such a token
    dies with the session (OIDCBCL-2.7)."""

    code_lifetime_s: Seconds = 60
    access_token_lifetime_s: Seconds = 3600
    refresh_token_lifetime_s: Seconds = 30 * 86400
    id_token_lifetime_s: Seconds = 3600

    session_cookie: str = Field(default="op_session", pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the OP session cookie; `__Host-` is put before it on an https issuer."""

    browser_state_cookie: str = Field(default="op_browser_state", pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the script-readable cookie that the iframe compares with; `__Host-` is put before it on an https issuer."""

    max_rp_sessions: Seconds = 200
    """How many RPs one OP session may hold; a further one is refused (SEC-12)."""

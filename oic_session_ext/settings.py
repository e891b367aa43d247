"""The extension's own settings: no file, no framework. Durations are seconds and say so in their names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[int, Field(gt=0)]


class DeliverySettings(BaseModel):
    """How RPs are told over the back channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_s: Seconds = 30
    """For how long a worker has a notice to itself; when it dies meanwhile, another one delivers it after that."""

    undeliverable_kept_s: Seconds = 30 * 86400
    """For how long an operator finds the notices that were given up on."""


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

    unauthenticated_key: str | None = Field(default=None, min_length=16)
    """The `op_browser_state` of browsers in which nobody is signed in. None derives it from the shared secret, so every
    server of a cluster computes the same; set it when servers do not share a secret."""

    idle_timeout_s: Seconds = 8 * 3600
    """An OP session that no browser request used for so long is over."""

    absolute_timeout_s: Seconds = 14 * 86400
    """An OP session is over so long after its latest active login, used or not."""

    ask: Literal["when_required", "always"] = "when_required"
    """When the user is asked before an RP's logout request is carried out: only where the specification says MUST, or
    always (docs/adr/0002-when-confirmation-is-asked.md; OIDCRIL-2)."""

    redirect_without_hint: bool = False
    """Whether `client_id`, an exactly registered URI and the user's own "yes" are enough to redirect after logout when no
    `id_token_hint` came (OIDCRIL-3 wants "other means of confirming the legitimacy")."""

    recent_s: Seconds = 86400
    """For how long an ended session counts as recent: a hint of it still identifies its RP (OIDCRIL-2)."""

    confirmation_lifetime_s: Seconds = 600
    """For how long the logout question may stay open in the browser."""

    logout_deadline_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """How long the user waits at most, at the end of a logout, for RPs to be told over the back channel."""

    frontchannel_wait_s: Annotated[float, Field(gt=0, le=30)] = 4.0
    """How long the logout page waits at most for the front-channel logout pages that it frames, before it leaves for the RP."""

    delivery: DeliverySettings = DeliverySettings()
    """How RPs are told over the back channel."""

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

"""The sections `session`, `session_management` and `tokens` of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ...validation import Problem
from .types import Count, Duration, Flag, SettingsSection


class SessionSettings(SettingsSection):
    """How long an OP session lives, and its cookies."""

    idle_timeout_s: Duration = 8 * 3600
    """An OP session that no browser request used for so long is over."""

    absolute_timeout_s: Duration = 14 * 86400
    """An OP session is over so long after its latest active login, used or not."""

    max_rp_sessions: Count = 200
    """How many clients one OP session may hold; a further one is refused."""

    cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "op_session"
    """Name of the session cookie. Cookies ignore ports: servers on one host need different names."""

    browser_state_cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "op_browser_state"
    """Name of the script-readable cookie that `check_session_iframe` compares with."""

    login_status: Flag = False
    """Whether the browser is told of login and logout by `Set-Login` (FedCM Login Status). It speaks for the whole origin (scheme, host and
    port): the OP must have that to itself."""

    def problems(self) -> Iterator[Problem]:
        """Yield a name that is used twice."""
        if self.cookie == self.browser_state_cookie:
            yield ("browser_state_cookie",), "must differ from cookie"


class SessionManagementSection(SettingsSection):
    """Session Management 1.0: whether RPs can watch for logout in the browser."""

    enabled: Flag = True
    """`session_state` in authentication responses, and `check_session_iframe`."""

    status: Flag = False
    """Whether the OP answers, without cookies, if a session is still there: to the iframe in browsers that hide the cookie from it, by
    `session_state`, and to a client's server at `/session_status`, by `sid`. Whoever gets hold of a `session_state` can ask too."""

    status_per_minute: Count = 600
    """How many questions of iframes one address may ask one process in a minute; many users may share an address."""

    unauthenticated_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,256}$")] | None = None
    """The `op_browser_state` of browsers in which nobody is signed in; the same on every server that shares the issuer. Without it,
    it is made once and kept in the store."""


class TokenSettings(SettingsSection):
    """How long what a client gets is good."""

    code_lifetime_s: Duration = 60
    """Authorization codes; each is good once."""

    access_token_lifetime_s: Duration = 3600
    """Access tokens."""

    id_token_lifetime_s: Duration = 3600
    """ID Tokens."""

    refresh_token_lifetime_s: Duration = 30 * 86400
    """Refresh tokens."""

    refresh_without_offline_access: Flag = False
    """Whether a client with the `refresh_token` grant gets a refresh token without asking for `offline_access`. Such a token dies with
    the OP session."""

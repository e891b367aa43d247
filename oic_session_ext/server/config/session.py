"""The sections `session`, `session_management` and `tokens` of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ...validation import Problem
from .types import Count, Duration, Flag, SettingsSection


class SessionSettings(SettingsSection):
    """Lifetime and cookies of an OP session."""

    idle_timeout_s: Duration = 8 * 3600
    """An OP session ends after so long without a browser request."""

    absolute_timeout_s: Duration = 14 * 86400
    """An OP session ends so long after its latest active login, even if it is in use."""

    max_rp_sessions: Count = 200
    """The maximum number of clients in one OP session; further ones are refused."""

    cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "op_session"
    """Name of the session cookie. Cookies do not depend on ports: several servers on one host need different names."""

    browser_state_cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "op_browser_state"
    """Name of the script-readable cookie that `check_session_iframe` compares with."""

    login_status: Flag = False
    """Whether the browser is notified of login and logout by `Set-Login` (FedCM Login Status). The status is for the whole origin (scheme,
    host and port), so that no other application may use this origin."""

    def problems(self) -> Iterator[Problem]:
        """Yield a name that is used twice."""
        if self.cookie == self.browser_state_cookie:
            yield ("browser_state_cookie",), "must differ from cookie"


class SessionManagementSection(SettingsSection):
    """Session Management 1.0: whether RPs can watch for logout in the browser."""

    enabled: Flag = True
    """`session_state` in authentication responses, and `check_session_iframe`."""

    status: Flag = False
    """Whether the OP reports, without cookies, if a session still exists: by `session_state` to the iframe in browsers that block its
    cookie, and by `sid` to a client's server at `/session_status`. Every party that has a `session_state` can query it too."""

    status_per_minute: Count = 600
    """How many queries of iframes one process accepts from one address in a minute; many users may share an address."""

    unauthenticated_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,256}$")] | None = None
    """The `op_browser_state` of browsers without a signed-in user; it must be the same on all servers of the issuer. Without it, a value
    is generated once and kept in the store."""


class TokenSettings(SettingsSection):
    """Lifetimes of codes and tokens."""

    code_lifetime_s: Duration = 60
    """Authorization codes; each is valid for one use."""

    access_token_lifetime_s: Duration = 3600
    """Access tokens."""

    id_token_lifetime_s: Duration = 3600
    """ID Tokens."""

    refresh_token_lifetime_s: Duration = 30 * 86400
    """Refresh tokens."""

    refresh_without_offline_access: Flag = False
    """Whether a client with the `refresh_token` grant gets a refresh token without requesting `offline_access`. Such a token ends
    with the OP session."""

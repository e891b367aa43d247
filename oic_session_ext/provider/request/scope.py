"""What belongs to one request at the pyoidc seam: its unit of work, its browser, and what the user has just answered.

pyoidc hands neither the cookie nor the request on to the places that we override, so the scope travels in a context
variable; it is set and reset by `Transactions` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ...logout.id_token_hint import Hint
from ...model import OpSession
from ...store.unit_of_work import UnitOfWork

ResponseMode: TypeAlias = Literal["query", "fragment", "form_post"]


@dataclass(frozen=True, slots=True)
class CompletedLogin:
    """A user has just proved who they are to the OP's own login page.

    `acr` is the method's class, `auth_time` the instant (UTC seconds).
    """

    uid: str
    acr: str
    auth_time: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the user has answered on the OP's pages for the very request that is carried on now.

    It comes from the server's own code, never from the request, so that no RP can claim an answer. `login` is one just made;
    `is_signed_in` is true if one was made a step before, for this request, and began the present session; `has_chosen_account` that the
    user wants to go on as the user of the present session (`prompt=select_account`).
    """

    login: CompletedLogin | None = None
    is_signed_in: bool = False
    has_chosen_account: bool = False
    consent: Literal["allowed", "denied"] | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationContext:
    """An authorization request whose client and redirect URI have been checked: errors may be redirected from here on.

    `parameters` are the request's, as text; `max_age` is in seconds, the request's or the client's `default_max_age`; `hint` is the
    verified `id_token_hint`. `subs` are the values of `sub` that the request may be answered for, by the hint and by the `claims`
    parameter; None is any user.
    """

    client_id: str
    redirect_uri: str
    response_type: frozenset[str]
    response_mode: ResponseMode
    state: str | None
    prompt: frozenset[str]
    max_age: int | None
    parameters: Mapping[str, str]
    hint: Hint | None = None
    subs: frozenset[str] | None = None


@dataclass(slots=True)
class BrowserSession:
    """The OP session of the browser that sent this request, and what its cookies are to become.

    `present` is the live OP session now (None if no user is signed in), `over` one that the cookie names but whose time is over,
    `new_secret` the value of a session cookie to set. `ended` is true when the cookie must go. `carried_session` is whether the
    request came with a live session. `headers` are the request's, lower-case. `secret` is the cookie's value that names the session.
    `others` are further live sessions, of a browser that sent more than one session cookie: a logout ends them too.
    """

    cookie_header: str | None
    headers: Mapping[str, str]
    present: OpSession | None = None
    over: OpSession | None = None
    carried_session: bool = False
    secret: str | None = None
    others: list[OpSession] = field(default_factory=list)
    new_secret: str | None = None
    ended: bool = False

    def begin_session(self, session: OpSession, secret: str) -> None:
        """Note that a session has just begun, or begun anew, in this browser."""
        self.present, self.over, self.new_secret, self.ended = session, None, secret, False

    def end_session(self) -> None:
        """Note that the session of this browser has just ended."""
        self.present, self.new_secret, self.ended = None, None, True


@dataclass(slots=True)
class RequestScope:
    """One attempt at a request.

    Attributes:
        uow: The unit of work, None for an OP without a store.
        owner: What runs the request: another OP in the same process, called meanwhile, has a scope of its own.
        browser: The browser that sent the request, None before it is looked up or if a client's server sent it.
        answered: What the user has just answered on the OP's pages.
        authorization: The authorization request once its client and redirect URI are checked.
        grant_id: The grant that an authorization request has made.
    """

    uow: UnitOfWork | None = None
    owner: object = None
    browser: BrowserSession | None = None
    answered: Answered = field(default_factory=Answered)
    authorization: AuthorizationContext | None = None
    grant_id: str | None = None

    def unit(self) -> UnitOfWork:
        """Return the unit of work. Raises: RuntimeError: the OP has no store."""
        if self.uow is None:
            raise RuntimeError("called for a request without a store")
        return self.uow

    def present_browser(self) -> BrowserSession:
        """Return the browser of the request. Raises: RuntimeError: none was looked up."""
        if self.browser is None:
            raise RuntimeError("called for a request without a browser")
        return self.browser

    def context(self) -> AuthorizationContext:
        """Return the checked authorization request. Raises: RuntimeError: there is none."""
        if self.authorization is None:
            raise RuntimeError("called outside of an authorization request")
        return self.authorization


_CURRENT: ContextVar[RequestScope | None] = ContextVar("oic_session_ext_request", default=None)


def current_scope() -> RequestScope | None:
    """Return the scope of the request being answered in this thread or task, None outside of one."""
    return _CURRENT.get()


def present_scope() -> RequestScope:
    """Return the scope of the request being answered. Raises: RuntimeError: outside of one."""
    scope = _CURRENT.get()
    if scope is None:
        raise RuntimeError("called outside of a request")
    return scope


def enter_scope(scope: RequestScope) -> Token[RequestScope | None]:
    """Make a scope the current one; give the result to `leave_scope`."""
    return _CURRENT.set(scope)


def leave_scope(token: Token[RequestScope | None]) -> None:
    """Make the scope before this one the current one again."""
    _CURRENT.reset(token)

"""The bundled server's settings: what its YAML file may say, checked before anything starts.

`yaml_settings.load_settings` makes a `ServerSettings` from a file; `docs/configuration.md` is generated from the texts
below the fields. The extension's own settings are a part of it: `ServerSettings.session_management_settings`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from ..absolute_uri import LOOPBACK_HOSTS, split_absolute_uri
from ..checked_model import Problem
from ..errors import ConfigError
from ..logout_registration import LogoutSupport, logout_support_problems
from ..provider.request_object import request_object_problems
from ..secret_ring import SecretRing
from ..settings import RequestObjectSettings, SessionManagementSettings
from .client_settings import ClientSettings
from .listen_settings import ListenSettings
from .logout_settings import LogoutSettings
from .setting_types import (
    ConfigPath,
    Count,
    Duration,
    Flag,
    SecretSource,
    SettingsSection,
    base_folder,
)
from .user_settings import UserSettings

_SHORTEST_ACCESS_TOKEN = 32
_SHARED_STORES = ("postgresql+psycopg://", "redis://", "rediss://", "unix://")
"""Stores that several servers work on together; what these share besides must be given to each of them."""


def _check_issuer(issuer: str) -> str:
    problem = _issuer_problem(issuer)
    if problem:
        raise PydanticCustomError("refused", "{problem}", {"problem": problem})
    return issuer


def _issuer_problem(issuer: str) -> str:
    try:
        parts = split_absolute_uri(issuer)
    except ValueError as err:
        return str(err)
    if parts.scheme not in ("http", "https"):
        return "must be an https URL"
    if "?" in issuer:
        return "must have no query (?)"
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        return "must be https; http is for localhost, 127.0.0.1 and [::1] alone"
    if issuer.endswith("/"):
        return f"must not end in a slash; write {issuer.rstrip('/')}"
    origin = f"{parts.scheme}://{parts.netloc.lower()}".removesuffix(":443" if parts.scheme == "https" else ":80")
    if not issuer.startswith(origin) or issuer.removeprefix(origin)[:1] == ":":
        return f"must be in lower case up to the path, without the default port; write {origin}{parts.path}"
    return ""


def _resolve_store(store: str, info: ValidationInfo) -> str:
    if store == "memory:" or store.startswith(_SHARED_STORES):
        return store
    path = store.removeprefix("sqlite:///")
    if path == store or not path or path == ":memory:" or set("?#\0") & set(path):
        raise PydanticCustomError(
            "refused",
            "must be memory:, sqlite:///PATH such as sqlite:///../var/op/op.sqlite, postgresql+psycopg://USER@HOST/DATABASE, "
            "or redis://HOST:PORT/DATABASE",
        )
    return f"sqlite:///{base_folder(info) / path}"


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


class ThrottleSettings(SettingsSection):
    """How often a password may be guessed."""

    max_attempts: Count = 10
    """So many failed sign-ins within the window are followed by a refusal."""

    window_s: Duration = 15 * 60
    """The window in which failed sign-ins are counted."""


class LoginSettings(SettingsSection):
    """Sign-in with user name and password."""

    throttle: ThrottleSettings = ThrottleSettings()
    """Limits on guessing."""

    cheap_passwords_for_benchmarks: Flag = False
    """Allows users with a plain `password`, checked without a password hash. For measuring alone: it needs an issuer and a listening
    address on this machine."""


class RegistrationSettings(SettingsSection):
    """Dynamic client registration."""

    mode: Literal["off", "open", "token"] = "off"
    """`off`: only the clients of this file. `open`: anybody may register a client. `token`: whoever has the initial access token."""

    initial_access_token: SecretSource | None = None
    """Where the initial access token is kept, for mode `token`."""

    max_per_address: Count = 20
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


class MetricsSettings(SettingsSection):
    """Counts and gauges for Prometheus, at `/metrics` below the issuer."""

    access_token: SecretSource
    """Where the access token is kept that Prometheus shows as `Authorization: Bearer`."""

    def problems(self) -> Iterator[Problem]:
        """Yield a token that is missing or too short."""
        yield from _access_token_problems("access_token", self.access_token)

    def is_access_token(self, given: str) -> bool:
        """Tell in constant time whether `given` is the access token, read anew; a lost file refuses everybody."""
        return _holds(self.access_token, given)


def _access_token_problems(key: str, source: SecretSource) -> Iterator[Problem]:
    try:
        if len(source.read()) < _SHORTEST_ACCESS_TOKEN:
            yield (key,), f"must hold at least {_SHORTEST_ACCESS_TOKEN} characters"
    except ValueError as err:
        yield (key,), str(err)


def _holds(source: SecretSource, given: str) -> bool:
    try:
        expected = source.read()
    except ValueError:
        return False
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


class PageSettings(SettingsSection):
    """What people see."""

    folder: ConfigPath | None = None
    """A folder whose templates and static files are taken before the built-in ones of the same name."""

    def problems(self) -> Iterator[Problem]:
        """Yield a folder that is not there."""
        if self.folder is not None and not self.folder.is_dir():
            yield ("folder",), f"{self.folder} is not a folder"


class LoggingSettings(SettingsSection):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is written."""

    format: Literal["console", "json"] = "console"
    """`console` for people, `json` (one object per line) for machines."""


class KeySource(SettingsSection):
    """Where the private signing keys are kept: exactly one of the three. A path alone is a file."""

    file: ConfigPath | None = None
    """A file that holds them, readable by the server alone."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable that holds them."""

    in_store: Flag = False
    """Whether they are in the store, sealed with the secrets: then these alone are handed to each server."""

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the choice; whether the keys are good is found out at start."""
        if [self.file is not None, self.env is not None, self.in_store].count(True) != 1:
            yield (), "must have exactly one of file, env, in_store: true"


def _path_as_source(value: object) -> object:
    return {"file": value} if isinstance(value, str | Path) else value


class ServerSettings(SettingsSection):
    """The whole file."""

    issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The OP's identifier and base URL, without a slash at its end: https, or http on localhost, 127.0.0.1 or [::1] alone."""

    listen: ListenSettings = ListenSettings()
    """Where the server listens."""

    store: Annotated[str, AfterValidator(_resolve_store)]
    """`sqlite:///PATH` keeps everything in one file; `postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE` and
    `redis://HOST:PORT/DATABASE` are for several servers; `"memory:"` (in quotes) keeps nothing when the server stops."""

    secrets: SecretSource | None = None
    """The server's secrets, one a line in base64url, each of at least 32 random bytes: the first is in use, all are believed. Without
    it: the file `secrets` beside the SQLite database. A file that is not there is made at the first start, readable by its owner alone."""

    keys: Annotated[KeySource | None, BeforeValidator(_path_as_source)] = None
    """The private signing keys, a JSON Web Key Set: a path, or a section. The first key of each kind signs, all are published. Without it:
    the file `keys.json` beside the SQLite database. A file that is not there is made at the first start, readable by its owner alone."""

    session: SessionSettings = SessionSettings()
    """OP sessions."""

    session_management: SessionManagementSection = SessionManagementSection()
    """Session Management 1.0."""

    logout: LogoutSettings = LogoutSettings()
    """RP-Initiated Logout 1.0."""

    tokens: TokenSettings = TokenSettings()
    """Codes and tokens."""

    login: LoginSettings = LoginSettings()
    """Sign-in."""

    registration: RegistrationSettings = RegistrationSettings()
    """Dynamic client registration."""

    request_objects: RequestObjectSection = RequestObjectSection()
    """Request objects."""

    pages: PageSettings = PageSettings()
    """The pages."""

    logging: LoggingSettings = LoggingSettings()
    """The log."""

    metrics: MetricsSettings | None = None
    """Counts and gauges for Prometheus; without this section there are none."""

    hooks: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")], ...] = ()
    """Functions of your own, as `package.module:function`, each called with every event (`oic_session_ext.hooks`) once it is durable."""

    users: Annotated[tuple[UserSettings, ...], Field(min_length=1)]
    """Who can sign in."""

    clients: tuple[ClientSettings, ...] = ()
    """The clients (RPs) that are known from the start."""

    @property
    def is_on_loopback(self) -> bool:
        """Tell whether the issuer is an address that only this machine can reach."""
        return split_absolute_uri(self.issuer).hostname in LOOPBACK_HOSTS

    @property
    def secrets_file(self) -> Path | None:
        """The file of the server's secrets; None when they come from the environment, or live and die with the process."""
        return self.secrets.file if self.secrets is not None else self._beside_store("secrets")

    @property
    def keys_file(self) -> Path | None:
        """The file of the private keys; None when they are elsewhere, or live and die with the process (`memory:`)."""
        return self.keys.file if self.keys is not None else self._beside_store("keys.json")

    def session_management_settings(self) -> SessionManagementSettings:
        """Return the extension's share of these settings."""
        return SessionManagementSettings(
            check_session=self.session_management.enabled,
            session_status=self.session_management.status,
            session_status_per_minute=self.session_management.status_per_minute,
            unauthenticated_key=self.session_management.unauthenticated_key,
            session_cookie=self.session.cookie,
            **self.session.model_dump(exclude={"cookie"}),
            logout_deadline_s=self.logout.deadline_s,
            delivery=self.logout.delivery_settings(),
            **self.logout.model_dump(exclude={"deadline_s", "frontchannel", "backchannel"}),
            **self.tokens.model_dump(),
        )

    def request_object_settings(self) -> RequestObjectSettings:
        """Return which request objects are taken."""
        return RequestObjectSettings(**self.request_objects.model_dump())

    def problems(self) -> Iterator[Problem]:
        """Yield what does not fit together across sections."""
        if self.listen.tls is not None and self.issuer.startswith("http:"):
            yield ("issuer",), "must be https, as listen.tls is set"
        if self.listen.processes > 1 and self.store == "memory:":
            yield ("listen", "processes"), "must be 1, as no two processes share a store of memory:"
        yield from self._secrets_problems()
        yield from _repeated("users", "username", [user.username for user in self.users])
        yield from _repeated("clients", "client_id", [client.client_id for client in self.clients])
        yield from self._cheap_password_problems()
        support = LogoutSupport.of(self.logout.delivery_settings())
        for index, client in enumerate(self.clients):
            plain = client.model_dump(mode="json", exclude_none=True)
            for place, problem in chain(
                logout_support_problems(plain, support), request_object_problems(plain, self.request_object_settings())
            ):
                yield ("clients", index, *place), problem

    def _cheap_password_problems(self) -> Iterator[Problem]:
        if self.login.cheap_passwords_for_benchmarks:
            if not self.is_on_loopback or self.listen.host not in LOOPBACK_HOSTS:
                yield (
                    ("login", "cheap_passwords_for_benchmarks"),
                    "needs an issuer and a listen.host on this machine: localhost, 127.0.0.1 or ::1",
                )
            return
        for index, user in enumerate(self.users):
            if user.password is not None:
                yield (
                    ("users", index, "password"),
                    "is for benchmarks (login.cheap_passwords_for_benchmarks); write password_hash, by `oic-session-ext users hash`",
                )

    def _secrets_problems(self) -> Iterator[Problem]:
        if self.store.startswith(_SHARED_STORES):
            for name, value in (("secrets", self.secrets), ("keys", self.keys)):
                if value is None:
                    yield (name,), "is missing: servers that share a store share it too, each must be told where it is"
        if self.secrets is None or self.secrets.env is None:
            return  # a file is read, or made, when the server starts
        try:
            SecretRing.from_text(self.secrets.read())
        except ValueError as err:
            yield ("secrets", "env"), str(err)
        except ConfigError as err:
            yield ("secrets", "env"), f"the environment variable {self.secrets.env} holds no good secrets: {err.problem}"

    def _beside_store(self, name: str) -> Path | None:
        return Path(self.store.removeprefix("sqlite:///")).parent / name if self.store.startswith("sqlite:") else None


def _repeated(section: str, key: str, values: list[Any]) -> Iterator[Problem]:
    first: dict[Any, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            yield (section, index, key), f"is that of {section}[{first[value]}] too; each must have its own"

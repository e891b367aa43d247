"""The settings of the bundled server, validated before anything starts.

`loader.load_settings` reads a `ServerSettings` from a YAML file. `docs/configuration.md` is generated from the texts below the
fields. `ServerSettings.session_management_settings` returns the extension's own settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from ...clients.logout_metadata import LogoutSupport, logout_support_problems
from ...clients.request_uris import request_object_problems
from ...crypto.secret_ring import SecretRing
from ...errors import ConfigError
from ...settings import RequestObjectSettings, SessionManagementSettings
from ...validation import Problem
from ...web.uri import LOOPBACK_HOSTS, split_absolute_uri
from .client import ClientSettings
from .listen import ListenSettings
from .login import LoginSettings
from .logout import LogoutSettings
from .operations import KeySource, LoggingSettings, MetricsSettings, PageSettings
from .outbound import OutboundSection
from .registration import RegistrationSettings, RequestObjectSection
from .session import SessionManagementSection, SessionSettings, TokenSettings
from .types import SecretSource, SettingsSection, base_folder
from .user import UserSettings

_SHARED_STORES = ("postgresql+psycopg://", "redis://", "rediss://", "unix://")
"""Stores that several servers can share; each of these servers needs the same secrets and keys."""


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
        return "must be https; http is allowed for localhost, 127.0.0.1 and [::1] only"
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


def _path_as_source(value: object) -> object:
    return {"file": value} if isinstance(value, str | Path) else value


class ServerSettings(SettingsSection):
    """The whole file."""

    issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The OP's identifier and base URL, without a slash at the end: https, or http on localhost, 127.0.0.1 or [::1] only."""

    listen: ListenSettings = ListenSettings()
    """Address, processes and limits of the server."""

    store: Annotated[str, AfterValidator(_resolve_store)]
    """`sqlite:///PATH` stores everything in one file; `postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE` and
    `redis://HOST:PORT/DATABASE` are for several servers; `"memory:"` (in quotes) loses everything when the server stops."""

    secrets: SecretSource | None = None
    """The server's secrets, one a line in base64url, each of at least 32 random bytes: the first is in use, all are accepted. Without it:
    the file `secrets` beside the SQLite database. A missing file is created at the first start, readable by its owner only."""

    keys: Annotated[KeySource | None, BeforeValidator(_path_as_source)] = None
    """The private signing keys, a JSON Web Key Set: a path, or a section. The first key of each kind signs, all are published. Without it:
    the file `keys.json` beside the SQLite database. A missing file is created at the first start, readable by its owner only."""

    session: SessionSettings = SessionSettings()
    """OP sessions."""

    session_management: SessionManagementSection = SessionManagementSection()
    """Session Management 1.0."""

    logout: LogoutSettings = LogoutSettings()
    """RP-Initiated Logout 1.0."""

    outbound: OutboundSection = OutboundSection()
    """Requests to clients' servers."""

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
    """Your own functions, as `package.module:function`; each is called with every event (`oic_session_ext.events`) after its commit."""

    users: Annotated[tuple[UserSettings, ...], Field(min_length=1)]
    """The users who can sign in."""

    clients: tuple[ClientSettings, ...] = ()
    """The statically registered clients (RPs)."""

    @property
    def is_on_loopback(self) -> bool:
        """Whether the issuer is an address that only this machine can reach."""
        return split_absolute_uri(self.issuer).hostname in LOOPBACK_HOSTS

    @property
    def secrets_file(self) -> Path | None:
        """The file of the server's secrets; None if they come from the environment or exist in this process only."""
        return self.secrets.file if self.secrets is not None else self._beside_store("secrets")

    @property
    def keys_file(self) -> Path | None:
        """The file of the private keys; None if they are elsewhere or exist in this process only (`memory:`)."""
        return self.keys.file if self.keys is not None else self._beside_store("keys.json")

    def session_management_settings(self) -> SessionManagementSettings:
        """Return the extension's own settings."""
        return SessionManagementSettings(
            check_session=self.session_management.enabled,
            session_status=self.session_management.status,
            session_status_per_minute=self.session_management.status_per_minute,
            unauthenticated_key=self.session_management.unauthenticated_key,
            session_cookie=self.session.cookie,
            **self.session.model_dump(exclude={"cookie"}),
            logout_deadline_s=self.logout.deadline_s,
            delivery=self.logout.delivery_settings().model_copy(
                update={"max_waiting_threads": self.outbound.waiting_threads(self.listen.threads)}
            ),
            outbound=self.outbound.outbound_settings(self.listen.threads),
            **self.logout.model_dump(exclude={"deadline_s", "frontchannel", "backchannel"}),
            **self.tokens.model_dump(),
        )

    def request_object_settings(self) -> RequestObjectSettings:
        """Return which request objects are accepted."""
        return RequestObjectSettings(**self.request_objects.model_dump())

    def problems(self) -> Iterator[Problem]:
        """Yield contradictions between sections."""
        if self.listen.tls is not None and self.issuer.startswith("http:"):
            yield ("issuer",), "must be https because listen.tls is set"
        if self.listen.processes > 1 and self.store == "memory:":
            yield ("listen", "processes"), "must be 1, because processes cannot share the store memory:"
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
                    yield (name,), "is missing: servers that share a store must share it too; set it on each of them"
        if self.secrets is None or self.secrets.env is None:
            return  # a file is read or created when the server starts
        try:
            SecretRing.from_text(self.secrets.read())
        except ValueError as err:
            yield ("secrets", "env"), str(err)
        except ConfigError as err:
            yield ("secrets", "env"), f"the environment variable {self.secrets.env} has no valid secrets: {err.problem}"

    def _beside_store(self, name: str) -> Path | None:
        return Path(self.store.removeprefix("sqlite:///")).parent / name if self.store.startswith("sqlite:") else None


def _repeated(section: str, key: str, values: list[Any]) -> Iterator[Problem]:
    first: dict[Any, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            yield (section, index, key), f"is the same as in {section}[{first[value]}]; it must be unique"

"""The secrets and signing keys of a running server: read at start, reloaded after changes, the same in all servers of a store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ...clock import Clock, system_clock
from ...cluster.consistency import CHECK_EVERY_S, Consistency, claim_issuer
from ...cluster.rotation import Rotatable, Rotation
from ...crypto.secret_ring import SecretRing
from ...errors import ConfigError, StoreError
from ...store.base import Store
from ..config.settings import ServerSettings
from .key_storage import InEnvironment, InFile, InProcess, InStore, KeyStorage
from .signing_keys import SigningKeys

logger = logging.getLogger("oic_session_ext")

JWKS_MAX_AGE_S = 300
"""How many seconds RPs may cache the key set: the max-age of the JWKS response."""

_REFUSAL = b'{"error": "temporarily_unavailable"}'
_WEB_SESSION_S = 3600

_Held = TypeVar("_Held", bound=Rotatable)
_Application = Callable[..., Iterable[bytes]]


@dataclass
class SharedSecret(Generic[_Held]):
    """One kind of secrets: its storage, its parser, and its rotation across the servers."""

    text: KeyStorage
    parse: Callable[[str], _Held]
    rotation: Rotation
    held: _Held
    stamp: object = None
    listeners: list[Callable[[_Held], None]] = field(default_factory=list)

    @property
    def agreement(self) -> Consistency:
        """The record in the store by which the servers agree on the values in use."""
        return self.rotation.agreement

    def reread(self) -> _Held:
        """Return the stored value. Raises: ConfigError: it is invalid."""
        return self.parse(self.text.read())

    def follow(self, now: int) -> None:
        """Load a changed value from its storage, if the other servers agree.

        Raises: ConfigError: the stored value is invalid, or the other servers use a value that this server does not have.
        """
        stamp = self.text.stamp()
        if stamp != self.stamp:
            found = self.reread()
            if found.accepted != self.held.accepted:
                self.agreement.join(found, now)
                self.held = found
                for listener in self.listeners:
                    listener(found)
                logger.info("%s: uses %s, accepts %d", self.agreement.name, " ".join(found.active), len(found.accepted))
            self.stamp = stamp
        self.agreement.check(self.held, now)


class SharedSecrets:
    """The secrets and keys of one server.

    `ring` stays the same object and changes with the secrets. Raises: ConfigError: they cannot be read or are invalid.
    """

    def __init__(self, settings: ServerSettings, store: Store, clock: Clock = system_clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._checked_at = clock()
        self._problem: str | None = None
        self.secrets = _kept_secrets(settings, store)
        self.ring = SecretRing.from_text(self.secrets.held.to_text())
        self.secrets.listeners.append(self.ring.replace_with)
        self.keys = _kept_keys(settings, store, self.ring)

    def join(self) -> None:
        """Agree with the other servers of the store.

        Raises: ConfigError: the store belongs to another issuer, or its servers use a secret or key that this one does not have.
        """
        now = self._clock()
        claim_issuer(self._store, self._settings.issuer)
        for kept in (self.secrets, self.keys):
            kept.agreement.join(kept.held, now)

    def differing(self) -> list[str]:
        """Return the names of the kinds of which the other servers use a value that this server does not have."""
        return [kept.agreement.name for kept in (self.secrets, self.keys) if kept.agreement.used_elsewhere(kept.held)]

    def adopt(self) -> None:
        """Make these the secrets and keys of all servers of the store, instead of those used before."""
        for kept in (self.secrets, self.keys):
            kept.agreement.adopt(kept.held, self._clock())

    def following(self, application: _Application) -> _Application:
        """Wrap the application: it reloads secrets and keys that an operator changes, and returns 503 while that is impossible."""

        def follow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if abs(self._clock() - self._checked_at) >= CHECK_EVERY_S:
                self.check()
            if self._problem is None:
                return application(environ, start_response)
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(_REFUSAL))), ("Cache-Control", "no-store")]
            start_response("503 Service Unavailable", headers)
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else _REFUSAL]

        return follow

    @property
    def problem(self) -> str | None:
        """Why this process must not serve with its current values, by the last check; None if it may."""
        return self._problem

    def check(self) -> None:
        """Reload changed values. A server without a value that the others use stops serving until it has it."""
        if not self._lock.acquire(blocking=False):
            return  # another request is checking
        try:
            problem = self._problem_now()
            if problem is not None and problem != self._problem:
                logger.error("cannot serve: %s", problem)
            self._problem = problem
        except StoreError as err:
            logger.warning("the secrets cannot be compared with the other servers': %s", err)
        finally:
            self._checked_at = self._clock()
            self._lock.release()

    def _problem_now(self) -> str | None:
        now, problem = self._clock(), None
        for kept in (self.secrets, self.keys):
            try:
                kept.follow(now)
            except ConfigError as err:
                problem = problem or self._problem_with(kept, err, now)
        return problem

    @staticmethod
    def _problem_with(kept: SharedSecret[Any], err: ConfigError, now: int) -> str | None:
        """Return why this server must not serve with its current values; None for an invalid file that is not needed yet."""
        try:
            kept.agreement.check(kept.held, now)
        except ConfigError:
            return str(err)
        logger.error("not loaded: %s", err)
        return None


def start_keys_anew(settings: ServerSettings, store: Store) -> None:
    """Replace the signing keys in the store, which are encrypted with a lost secret, with new ones."""
    InStore(store, _kept_secrets(settings, store).held, SigningKeys.generate_text).start_anew()


def _kept_secrets(settings: ServerSettings, store: Store) -> SharedSecret[SecretRing]:
    text: KeyStorage
    if settings.secrets is not None and settings.secrets.env is not None:
        text = InEnvironment(settings.secrets.env)
    elif settings.secrets_file is not None:
        text = InFile(settings.secrets_file, SecretRing.generate_text)
    else:
        text = InProcess(SecretRing.generate_text)
    tokens = settings.tokens
    lifetime_s = max(tokens.code_lifetime_s, tokens.access_token_lifetime_s, tokens.refresh_token_lifetime_s, _WEB_SESSION_S)
    return _kept(
        text, lambda found: SecretRing.from_text(found, path=text.place), Consistency(store, "secrets", lifetime_s), 2 * CHECK_EVERY_S
    )


def _kept_keys(settings: ServerSettings, store: Store, ring: SecretRing) -> SharedSecret[SigningKeys]:
    text: KeyStorage
    if settings.keys is not None and settings.keys.in_store:
        text = InStore(store, ring, SigningKeys.generate_text)
    elif settings.keys is not None and settings.keys.env is not None:
        text = InEnvironment(settings.keys.env)
    elif settings.keys_file is not None:
        text = InFile(settings.keys_file, SigningKeys.generate_text)
    else:
        text = InProcess(SigningKeys.generate_text)
    # an ID Token is accepted as a hint while its session lives, and for some time after
    lifetime_s = max(settings.tokens.id_token_lifetime_s, settings.session.absolute_timeout_s + settings.logout.recent_s)
    wait_s = JWKS_MAX_AGE_S + 2 * CHECK_EVERY_S
    return _kept(text, lambda found: SigningKeys.from_text(found, path=text.place), Consistency(store, "keys", lifetime_s), wait_s)


def _kept(text: KeyStorage, parse: Callable[[str], _Held], agreement: Consistency, wait_s: int) -> SharedSecret[_Held]:
    held = parse(text.read())
    return SharedSecret(text, parse, Rotation(agreement, wait_s), held, text.stamp())

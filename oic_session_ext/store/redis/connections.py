"""Connections of the Redis store: what its URL says, a bounded number of connections, one command or script at a time.

Whatever the driver raises leaves this module as `StoreUnavailable`, and the connection it came from is closed: so the
store resumes by itself once the server does. Nothing is sent twice, as nobody knows what became of the first; but a script
that the server does not know was not run, and is sent again in full.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from ...errors import ConfigError, StoreUnavailable
from .lua_scripts import Script

_HEALTH_CHECK_S = 30  # a connection unused for so long is tried with a PING first: firewalls forget such ones silently
_RESTED_S = 1  # one unused for so long is looked at first: the server may have closed it
_URL = "must be redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH, each with user:password@ where there is one"
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """What a store's URL says.

    `prefix` is what each key begins with. `timeout_s` bounds connecting, each answer, and the wait for one of `max_connections`.
    """

    make_connection: Callable[[], Any]
    prefix: str
    timeout_s: float
    max_connections: int


def parse_redis_url(url: str) -> RedisUrl:
    """Read `redis://`, `rediss://` (TLS, certificate verified) or `unix://`.

    Options after `?`: `prefix` (`oic`: keys begin with `{oic}:`), `timeout_s` (5), `max_connections` (64), `db`, and for rediss
    `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (files).
    Raises: ConfigError: it is none of these. The message never holds the URL, since a password may be in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as err:
        raise ConfigError("store", _URL) from err
    is_unix = parts.scheme == "unix"
    arguments: dict[str, Any] = {
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "health_check_interval": _HEALTH_CHECK_S,
        "retry": Retry(NoBackoff(), 1),  # of connecting and of PING alone
        "protocol": 2,
    }
    if is_unix:
        if not parts.path.startswith("/") or parts.hostname or parts.fragment:
            raise ConfigError("store", _URL)
        arguments["path"] = unquote(parts.path)
    else:
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or not re.fullmatch(r"(/\d*)?", parts.path) or parts.fragment:
            raise ConfigError("store", _URL)
        arguments |= {"host": parts.hostname, "port": port or 6379, "socket_keepalive": True}
    if parts.scheme == "rediss":
        arguments |= {name: _file(options, name) for name in _TLS_FILES if name in options}
    arguments["db"] = _number(options, "db", int(parts.path.strip("/") or 0) if not is_unix else 0, least=0)
    timeout_s = _number(options, "timeout_s", 5, least=1)
    max_connections = _number(options, "max_connections", 64, least=1)
    prefix = options.pop("prefix", "oic")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", prefix):
        raise ConfigError("store", "its prefix must be 1 to 64 letters, digits, or any of _.-")
    if options:
        raise ConfigError("store", f"has no option {min(options)!r}")
    arguments |= {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    connection: Any = {"redis": Connection, "rediss": SSLConnection, "unix": UnixDomainSocketConnection}[parts.scheme]
    return RedisUrl(lambda: connection(**arguments), f"{{{prefix}}}:", timeout_s, max_connections)


def _file(options: dict[str, str], name: str) -> str:
    path = options.pop(name)
    if not Path(path).is_file():
        raise ConfigError("store", f"its {name} is no file: {path}")
    return path


def _number(options: dict[str, str], name: str, default: int, *, least: int) -> int:
    text = options.pop(name, f"{default}")
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or int(text) < least:
        raise ConfigError("store", f"its {name} must be a whole number, {least} or more")
    return int(text)


class Connections:
    """Runs commands and scripts, each on a connection that nobody else uses meanwhile.

    The driver's own pool and client take 40 and 80 us of CPU for a command that takes 30 us without them.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._prefix = url.prefix
        self._make = url.make_connection
        self._timeout_s = url.timeout_s
        self._free = threading.BoundedSemaphore(url.max_connections)
        self._resting: list[tuple[Any, float]] = []  # last in, first out; with the instant from which it rests
        self._is_closed = False

    def command(self, name: str, key: str = "", *values: str | int) -> Any:
        """Run one command on one of the store's keys and return its answer. Raises: StoreUnavailable."""
        return self._exchange(name, self._prefix + key, *values)

    def server_command(self, *words: str) -> Any:
        """Run one command that names no key and return its answer. Raises: StoreUnavailable."""
        return self._exchange(*words)

    def run(self, script: Script, *values: str | int) -> Any:
        """Run a script and return its answer. Raises: StoreUnavailable."""
        try:
            return self._exchange("EVALSHA", script.digest, 1, self._prefix, *values)
        except NoScriptError:  # a server that was started or flushed since
            return self._exchange("EVAL", script.text, 1, self._prefix, *values)

    def close(self) -> None:
        """Close the connections that nobody uses, and the others when they are given back; each later use raises StoreUnavailable."""
        self._is_closed = True
        while self._resting:
            self._resting.pop()[0].disconnect()

    def _exchange(self, *words: str | int) -> Any:
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        if not self._free.acquire(timeout=self._timeout_s):
            raise StoreUnavailable("all connections were in use for too long")
        try:
            connection = self._taken()
            try:
                connection.send_packed_command(connection.pack_command(*encoded))
                answer = connection.read_response()
            except NoScriptError:
                self._give_back(connection)
                raise
            except BaseException:
                connection.disconnect()
                raise
            self._give_back(connection)
            return answer
        except NoScriptError:
            raise
        except (RedisError, OSError) as err:
            raise StoreUnavailable(f"{err}") from err
        finally:
            self._free.release()

    def _taken(self) -> Any:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        try:
            connection, since = self._resting.pop()
        except IndexError:
            return self._make()
        if time.monotonic() - since > _RESTED_S and not _is_usable(connection):
            connection.disconnect()  # it connects anew when it is used
        return connection

    def _give_back(self, connection: Any) -> None:
        self._resting.append((connection, time.monotonic()))
        if self._is_closed:
            self.close()


def _is_usable(connection: Any) -> bool:
    """Return whether nothing came in on a connection that rested; its end would have."""
    try:
        return not connection.can_read()
    except (RedisError, OSError):
        return False

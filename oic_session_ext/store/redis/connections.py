"""Connections of the Redis store: the parsed URL, and a bounded number of connections that run commands and scripts.

Every error of the driver is raised as `StoreUnavailable` and its connection is closed, so that the store works again
when the server does. A command whose result is unknown is not repeated. Only a script that the server does not know is
sent again in full, because it was certainly not run.
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

_HEALTH_CHECK_S = 30  # after so long without use a PING is sent first: firewalls drop idle connections without notice
_IDLE_CHECK_S = 1  # after so long without use the socket is checked first: the server may have closed it
_URL = "must be redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH, each with user:password@ where there is one"
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The settings in a store's URL.

    Each key begins with `prefix`. `timeout_s` limits connecting, each response, and the wait for a free connection.
    """

    make_connection: Callable[[], Any]
    prefix: str
    timeout_s: float
    max_connections: int


def parse_redis_url(url: str) -> RedisUrl:
    """Read `redis://`, `rediss://` (TLS, certificate verified) or `unix://`.

    Options after `?`: `prefix` (`oic`: keys begin with `{oic}:`), `timeout_s` (5), `max_connections` (64), `db`, and for rediss
    `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (files).
    Raises: ConfigError: it is none of these. The message never contains the URL, because it may contain a password.
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
        "retry": Retry(NoBackoff(), 1),  # retries connecting and PING only
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
        raise ConfigError("store", f"its {name} is not a file: {path}")
    return path


def _number(options: dict[str, str], name: str, default: int, *, least: int) -> int:
    text = options.pop(name, f"{default}")
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or int(text) < least:
        raise ConfigError("store", f"its {name} must be a whole number, {least} or more")
    return int(text)


class Connections:
    """Runs commands and scripts, each on a connection that no other thread uses at that time.

    A command takes 30 us of CPU here. The driver's own pool and client add 40 and 80 us.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._prefix = url.prefix
        self._make = url.make_connection
        self._timeout_s = url.timeout_s
        self._free = threading.BoundedSemaphore(url.max_connections)
        self._idle: list[tuple[Any, float]] = []  # last in, first out; with the instant of the last use
        self._is_closed = False

    def command(self, name: str, key: str = "", *values: str | int) -> Any:
        """Run a command on one of the store's keys and return its response. Raises: StoreUnavailable."""
        return self._exchange(name, self._prefix + key, *values)

    def server_command(self, *words: str) -> Any:
        """Run a command without a key and return its response. Raises: StoreUnavailable."""
        return self._exchange(*words)

    def run_script(self, script: Script, *values: str | int) -> Any:
        """Run a script and return its response. Raises: StoreUnavailable."""
        try:
            return self._exchange("EVALSHA", script.digest, 1, self._prefix, *values)
        except NoScriptError:  # the server was restarted, or its scripts were flushed
            return self._exchange("EVAL", script.text, 1, self._prefix, *values)

    def close(self) -> None:
        """Close idle connections now and the others after their current use. Each later use raises StoreUnavailable."""
        self._is_closed = True
        while self._idle:
            self._idle.pop()[0].disconnect()

    def _exchange(self, *words: str | int) -> Any:
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        if not self._free.acquire(timeout=self._timeout_s):
            raise StoreUnavailable("all connections were in use for too long")
        try:
            connection = self._take_connection()
            try:
                connection.send_packed_command(connection.pack_command(*encoded))
                answer = connection.read_response()
            except NoScriptError:
                self._release_connection(connection)
                raise
            except BaseException:
                connection.disconnect()
                raise
            self._release_connection(connection)
            return answer
        except NoScriptError:
            raise
        except (RedisError, OSError) as err:
            raise StoreUnavailable(f"{err}") from err
        finally:
            self._free.release()

    def _take_connection(self) -> Any:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        try:
            connection, since = self._idle.pop()
        except IndexError:
            return self._make()
        if time.monotonic() - since > _IDLE_CHECK_S and not _is_usable(connection):
            connection.disconnect()  # it reconnects at its next use
        return connection

    def _release_connection(self, connection: Any) -> None:
        self._idle.append((connection, time.monotonic()))
        if self._is_closed:
            self.close()


def _is_usable(connection: Any) -> bool:
    """Return whether an idle connection has no unread data. A closed connection is readable."""
    try:
        return not connection.can_read()
    except (RedisError, OSError):
        return False

"""Checks of a Redis server before a store is opened on it: whether it can store records reliably."""

from __future__ import annotations

import logging

from redis.exceptions import AuthenticationError, MovedError, NoPermissionError, ResponseError

from ...errors import ConfigError, StoreUnavailable
from .connections import Connections

_OLDEST = 7  # from this version on, scripts are refused before they begin if memory or disk is full

_log = logging.getLogger(__name__)


def check_server(connections: Connections) -> None:
    """Verify that the server is suitable for a store; log a warning if a crash of the server may lose commits.

    Raises:
        ConfigError: it refuses the user, is too old, may evict keys, or another server of its cluster has the store's slot.
        StoreUnavailable: it cannot be reached now.
    """
    try:
        info = _info(connections)
        connections.command("EXISTS")
    except StoreUnavailable as err:
        if isinstance(err.__cause__, AuthenticationError | NoPermissionError):
            raise ConfigError("store", f"the server refuses the user: {err}") from err
        if isinstance(err.__cause__, MovedError):
            raise ConfigError("store", "the cluster keeps its keys on another server: name the one that holds their slot") from err
        raise
    version = info.get("redis_version", "0")
    if int(version.partition(".")[0]) < _OLDEST:
        raise ConfigError("store", f"the server is Redis {version}; it must be Redis {_OLDEST} or later, or Valkey")
    policy = info.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        raise ConfigError("store", f"the server's maxmemory-policy is {policy}: it may forget sessions and notices; it must be noeviction")
    if info.get("aof_enabled") != "1":
        _log.warning("the Redis server has no append-only file: when it ends, what was committed since its last snapshot may be lost")
    elif _appendfsync(connections) != "always":
        _log.warning("the Redis server's appendfsync is not always: when its machine ends, commits of the last seconds may be lost")


def _info(connections: Connections) -> dict[str, str]:
    lines = connections.server_command("INFO").decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _appendfsync(connections: Connections) -> str:
    """Return the server's appendfsync setting; "" if the user may not read it."""
    try:
        answer = connections.server_command("CONFIG", "GET", "appendfsync")
    except StoreUnavailable as err:
        if isinstance(err.__cause__, ResponseError):
            return ""
        raise
    return answer[1].decode() if answer else ""

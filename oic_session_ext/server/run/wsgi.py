"""The bundled server without its HTTP server: a WSGI application for gunicorn, granian and others, in any number of processes.

Servers load it before or after they fork, so that the store is opened at the first request. It serves the same as `serve`.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cherrypy

from ...errors import ConfigError, SessionExtError
from ..app import Server, WsgiApplication, build_server
from ..config.loader import load_settings
from ..config.settings import ServerSettings
from ..operations.logs import configure_logging

logger = logging.getLogger("oic_session_ext")

CONFIG_VARIABLE = "OIC_SESSION_EXT_CONFIG"
"""The environment variable with the path of the settings file for `oic_session_ext.server.run.wsgi:application`."""

_RETRY_AFTER_S = 1
_UNAVAILABLE = b'{"error": "temporarily_unavailable"}'


def application_from(config_path: str | Path) -> WsgiApplication:
    """Return the OP of a settings file as a WSGI application, and configure the process's log.

    The store is opened at the first request of each process, and then swept by a thread of that process. While it cannot be
    opened, the response is 503 and the open is retried. Only `proxy` of `listen` is used; the HTTP server defines the rest.

    Raises:
        SettingsFileError: the file has problems.
        ConfigError: its store is `memory:`, which processes cannot share.
    """
    settings = load_settings(Path(config_path))
    if settings.store == "memory:":
        raise ConfigError("store", "must be a store that processes can share, not memory:")
    configure_logging(settings.logging)
    cherrypy.config.update({"environment": "production", "log.screen": False})
    return _OpenedAtFirstRequest(lambda: _start(settings))


def __getattr__(name: str) -> WsgiApplication:
    if name == "application":  # created on access, so that `application_from` can be imported without the variable
        return _application_of_environment()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _application_of_environment() -> WsgiApplication:
    config_path = os.environ.get(CONFIG_VARIABLE)
    if not config_path:
        raise ConfigError(CONFIG_VARIABLE, "the environment variable is missing; it must have the path of the settings file")
    return application_from(config_path)


class _OpenedAtFirstRequest:
    """A WSGI application that starts at its first request, because connections and threads do not survive an earlier fork."""

    def __init__(self, start: Callable[[], WsgiApplication]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._started: WsgiApplication | None = None
        self._retry_at = 0.0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        application = self._started or self._start_once()
        if application is None:
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(_UNAVAILABLE))),
                ("Cache-Control", "no-store"),
                ("Retry-After", "5"),
            ]
            start_response("503 Service Unavailable", headers)
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else _UNAVAILABLE]
        return application(environ, start_response)

    def _start_once(self) -> WsgiApplication | None:
        with self._lock:
            # requests that waited for a failed start must not each start again
            if self._started is None and time.monotonic() >= self._retry_at:
                try:
                    self._started = self._start()
                except SessionExtError as err:
                    logger.error("cannot serve: %s", err)  # noqa: TRY400 -- its cause may contain the store's password
                    self._retry_at = time.monotonic() + _RETRY_AFTER_S
            return self._started


def _start(settings: ServerSettings) -> WsgiApplication:
    server = build_server(settings)
    server.background.start()
    atexit.register(_stop, server)
    logger.info("serving %s in process %d", settings.issuer, os.getpid())
    return server.application


def _stop(server: Server) -> None:
    server.background.stop()
    server.store.close()

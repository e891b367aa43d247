"""`serve`: run the server of some settings in one or several processes until a signal stops it."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable

import cherrypy

from ...errors import ConfigError
from ..app import build_server
from ..config.listen import ListenSettings
from ..config.settings import ServerSettings
from ..http.http_server import StrictServer, bind_listening_socket
from ..operations.logs import configure_logging
from .signals import ReceivedSignals
from .supervisor import Supervisor

logger = logging.getLogger("oic_session_ext")

_STOP_MARGIN_S = 12
"""The time for a worker to stop its background work, after the time for current requests; then it is killed."""


def serve(settings: ServerSettings) -> None:
    """Run the server until SIGTERM or SIGINT; current requests are finished first. SIGHUP rereads secrets and keys.

    Raises:
        ConfigError, StoreUnavailable: as `build_server`; ConfigError also if the server cannot listen on the address.
        NoWorkerStarts: none of several processes serves, and restarts fail.
    """
    configure_logging(settings.logging)
    listen = settings.listen
    processes = f", {listen.processes} processes" if listen.processes > 1 else ""

    def announce() -> None:
        logger.info("serving %s, listening on %s port %d%s", settings.issuer, listen.host, listen.port, processes)

    with bind_listening_socket(listen) as listening:
        if listen.processes == 1:
            _serve_on(listening, settings, announce)
        else:
            Supervisor(
                lambda when_ready: _serve_on(listening, settings, when_ready),
                listen.processes,
                listening,
                when_ready=announce,
                stop_within_s=listen.limits.shutdown_timeout_s + _STOP_MARGIN_S,
            ).run()
    logger.info("stopped")


def _serve_on(listening: socket.socket, settings: ServerSettings, when_ready: Callable[[], None]) -> None:
    """Serve in this process. Before it handles signals, a signal ends it at once, because there is nothing to finish."""
    server = build_server(settings)
    cherrypy.tree.graft(server.application, "")
    cherrypy.server.instance = _http_server(listening, settings.listen)
    cherrypy.server.bind_addr = None  # otherwise CherryPy checks that the port is free, which it is not with several processes
    with ReceivedSignals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        cherrypy.engine.subscribe("exit", server.background.stop, priority=40)
        cherrypy.engine.subscribe("exit", server.store.close)
        cherrypy.engine.subscribe("exit", lambda: signals.queue_signal(signal.SIGTERM))  # also if the HTTP server ends by itself
        cherrypy.engine.start()
        server.background.start()
        when_ready()
        while signals.wait_for_signal() == signal.SIGHUP:
            server.shared.check()
        cherrypy.engine.exit()
        cherrypy.engine.block()  # until its threads have ended


def _http_server(listening: socket.socket, listen: ListenSettings) -> StrictServer:
    """Return the server that CherryPy runs. Bad certificates are reported now in one line, not by CherryPy in tracebacks."""
    cherrypy.config.update(
        {
            "environment": "production",
            "log.screen": False,
            "engine.autoreload.on": False,
            "server.thread_pool": listen.threads,
            "server.socket_queue_size": 128,
            "server.socket_timeout": listen.limits.socket_timeout_s,
            "server.shutdown_timeout": listen.limits.shutdown_timeout_s,
            "server.max_request_body_size": listen.limits.max_body_bytes,
            "server.max_request_header_size": listen.limits.max_header_bytes,
        }
    )
    if listen.tls is not None:
        cherrypy.config.update(
            {
                "server.ssl_module": "builtin",
                "server.ssl_certificate": str(listen.tls.certificate),
                "server.ssl_private_key": str(listen.tls.key),
            }
        )
    try:
        return StrictServer(cherrypy.server, listening)
    except OSError as err:
        raise ConfigError("listen.tls", f"the certificate and its key cannot be used: {err.strerror}") from err

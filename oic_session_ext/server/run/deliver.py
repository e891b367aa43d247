"""`deliver`: a process that notifies RPs of ended sessions and does not serve requests."""

from __future__ import annotations

import logging
import select
import signal

from ...cluster.consistency import CHECK_EVERY_S
from ...errors import ConfigError
from ..app import build_server
from ..config.settings import ServerSettings
from ..operations.logs import configure_logging
from .signals import ReceivedSignals

logger = logging.getLogger("oic_session_ext")


def deliver(settings: ServerSettings) -> None:
    """Deliver due notices until SIGTERM or SIGINT; current attempts are finished first. SIGHUP rereads secrets and keys.

    Raises: ConfigError, StoreUnavailable: as `build_server`; ConfigError also if the servers use keys that are missing here.
    """
    if settings.store == "memory:":
        raise ConfigError("store", "must be a store that processes can share, not memory:")
    configure_logging(settings.logging)
    server = build_server(settings)
    with ReceivedSignals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        server.op.session_management.delivery.start()
        logger.info("delivering logout notices of %s", settings.issuer)
        try:
            while not select.select([signals], [], [], CHECK_EVERY_S)[0] or signals.wait_for_signal() == signal.SIGHUP:
                server.shared.check()
                if server.shared.problem is not None:
                    raise ConfigError("keys", server.shared.problem)
        finally:
            server.op.session_management.delivery.stop()
            server.store.close()
    logger.info("stopped")

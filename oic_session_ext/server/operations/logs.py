"""The log on standard error, as readable text or JSON. Requests are not logged: their URLs may contain ID Tokens."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from ...web.printable import printable
from ..config.operations import LoggingSettings


def configure_logging(settings: LoggingSettings) -> None:
    """Configure the process's log to standard error with the format and level of the settings."""
    shared: list[structlog.typing.Processor] = [
        _with_event_fields,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()]
        if settings.format == "json"
        else [_escape_values, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("oic", "jwkest"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log requests and tokens
    for name in ("cherrypy.error", "cherrypy.access", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _with_event_fields(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the fields of a line of `event_log` as separate fields."""
    line.update(getattr(line.get("_record"), "oic_event", {}))
    return line


def _escape_values(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape values, so that they cannot forge log lines or terminal colours; indent the lines of a traceback."""
    made = {name: printable(value) if isinstance(value, str) else value for name, value in line.items()}
    if isinstance(line.get("exception"), str):
        made["exception"] = "\n".join(f"    {printable(part)}" for part in line["exception"].split("\n"))
    return made

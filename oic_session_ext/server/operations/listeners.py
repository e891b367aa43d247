"""The listeners for a server's events: its log, its metrics, and the functions in the settings."""

from __future__ import annotations

import importlib

from ...errors import ConfigError
from ...event_log import log_event
from ...events import Hooks, Listener
from ..config.settings import ServerSettings


def hooks_of(settings: ServerSettings, *more: Listener) -> Hooks:
    """Return the hooks of a server or a command: the log first, then `more`, then the settings' own functions.

    Raises: ConfigError: a function in the settings cannot be loaded.
    """
    return Hooks(log_event, *more, *(_load(index, name) for index, name in enumerate(settings.hooks)))


def _load(index: int, name: str) -> Listener:
    module_name, _, function_name = name.partition(":")
    try:
        listener: Listener = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"hooks[{index}]", f"{name} cannot be loaded: {err}") from err
    if not callable(listener):
        raise ConfigError(f"hooks[{index}]", f"{name} is not a function")
    return listener

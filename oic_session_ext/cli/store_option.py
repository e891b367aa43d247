"""Open the store for a command, and convert errors to a line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, load_settings_or_exit

if TYPE_CHECKING:
    from ..server.config.settings import ServerSettings
    from ..store.base import Store


@contextmanager
def opened_store(config: Path) -> Iterator[tuple[ServerSettings, Store]]:
    """Yield the settings and their store; an invalid file or store ends the command with exit code 2, a later error with 1."""
    settings = load_settings_or_exit(config)
    from ..store import open_store

    try:
        if settings.store == "memory:":
            raise ConfigError("store", "is memory:, which only the server itself can use")
        with closing(open_store(settings.store)) as store:
            yield settings, store
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err

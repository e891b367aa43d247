"""`serve`: run the bundled server until a signal stops it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit

if TYPE_CHECKING:
    from ..server.config.settings import ServerSettings

_COUNTS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@click.command("serve")
@config_argument
def serve_command(config: Path) -> None:
    """Run the OP of CONFIG.yaml; Ctrl-C or SIGTERM stops it after the current requests."""
    settings = load_settings_or_exit(config)
    try:
        with _counting_together(settings):
            from ..server.run.serve import serve

            serve(settings)
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err


@contextmanager
def _counting_together(settings: ServerSettings) -> Iterator[None]:
    """Create a folder in which several processes share their metrics; prometheus_client reads the variable when it is loaded."""
    if settings.metrics is None or settings.listen.processes == 1 or _COUNTS_FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="oic-session-ext-metrics-") as folder:
        os.environ[_COUNTS_FOLDER] = folder
        yield

"""`serve`: run the bundled server until it is told to stop."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit


@click.command("serve")
@config_argument
def serve_command(config: Path) -> None:
    """Run the OP that CONFIG.yaml describes; Ctrl-C or SIGTERM stops it when the requests under way are answered."""
    settings = load_settings_or_exit(config)
    from ..server.serving import serve  # here, so that a bad file is told without loading a web server

    try:
        serve(settings)
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err

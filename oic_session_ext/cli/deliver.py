"""`deliver`: notify RPs of ended sessions from a separate process."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit


@click.command("deliver")
@config_argument
def deliver_command(config: Path) -> None:
    """Notify clients of ended sessions over the back channel, until Ctrl-C or SIGTERM.

    The command delivers due notices in the store of CONFIG.yaml, in addition to its servers or, with
    `logout.backchannel.deliver: elsewhere`, instead of them. Several may run.
    """
    settings = load_settings_or_exit(config)
    from ..server.run.deliver import deliver

    try:
        deliver(settings)
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err

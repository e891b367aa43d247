"""`check-config`, and the loading of a command's settings file: an invalid file ends the command with exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..server.config.settings import ServerSettings

BAD_SETTINGS_EXIT_CODE = 2

config_argument = click.argument("config", type=click.Path(path_type=Path), metavar="CONFIG.yaml")


def load_settings_or_exit(config: Path) -> ServerSettings:
    """Return the settings of a file; if it is invalid, print one line per problem on stderr and exit with 2."""
    from ..server.config.loader import SettingsFileError, load_settings

    try:
        return load_settings(config)
    except SettingsFileError as err:
        for line in err.lines():
            click.echo(line, err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from None


@click.command("check-config")
@config_argument
def check_config_command(config: Path) -> None:
    """Verify CONFIG.yaml without starting anything.

    Exit code 0 if it is valid; otherwise 2, with one line per problem: file, line, key, the problem and the allowed values.
    """
    settings = load_settings_or_exit(config)
    click.echo(f"{config}: good ({settings.issuer}, {len(settings.clients)} clients, {len(settings.users)} users)")

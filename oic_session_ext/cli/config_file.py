"""`check-config`, and how every command reads its settings file: a bad one ends the command with exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..server.config.settings import ServerSettings

BAD_SETTINGS_EXIT_CODE = 2

config_argument = click.argument("config", type=click.Path(path_type=Path), metavar="CONFIG.yaml")


def load_settings_or_exit(config: Path) -> ServerSettings:
    """Return the settings of a file; when it is bad, print one line per problem on stderr and exit with 2."""
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
    """Say whether CONFIG.yaml is good, without starting anything.

    Exit code 0 when it is; 2 when not, with one line per problem: file, line, key, what is wrong and what is allowed.
    """
    settings = load_settings_or_exit(config)
    click.echo(f"{config}: good ({settings.issuer}, {len(settings.clients)} clients, {len(settings.users)} users)")

"""`migrate`: upgrade the tables of a SQL store to this version, before its servers are started."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit


@click.command("migrate")
@config_argument
def migrate_command(config: Path) -> None:
    """Create the tables of the store in CONFIG.yaml, or upgrade them to this version; servers of the previous version may run on."""
    settings = load_settings_or_exit(config)
    from ..store import migrate

    try:
        migrated = migrate(settings.store)
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err
    if migrated.before == migrated.after:
        click.echo(f"the tables are at version {migrated.after} already")
    else:
        click.echo(f"the tables are at version {migrated.after} now (before: {migrated.before or 'none'})")

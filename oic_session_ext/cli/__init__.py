"""The `oic-session-ext` command: one file per group of commands, each loading what it needs when it runs."""

from __future__ import annotations

import click

from .adopt import adopt_command
from .config_file import check_config_command
from .deliver import deliver_command
from .doctor import doctor_command
from .keys import keys_group
from .migrate import migrate_command
from .notices import notices_group
from .secrets import secrets_group
from .serve import serve_command
from .sessions import sessions_group
from .users import users_group


def _print_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from .. import __version__

        click.echo(f"oic-session-ext {__version__}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version.")
def main() -> None:
    """An OpenID Provider with session management and logout, from one YAML file."""


main.add_command(serve_command)
main.add_command(check_config_command)
main.add_command(doctor_command)
main.add_command(migrate_command)
main.add_command(sessions_group)
main.add_command(notices_group)
main.add_command(deliver_command)
main.add_command(users_group)
main.add_command(secrets_group)
main.add_command(keys_group)
main.add_command(adopt_command)

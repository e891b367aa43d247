"""`users hash`: print the hash of a password for the settings file."""

from __future__ import annotations

import sys

import click


def is_terminal() -> bool:
    """Return whether standard input is a terminal, so that the command can ask questions."""
    return sys.stdin.isatty()


@click.group("users")
def users_group() -> None:
    """The users of a settings file."""


@users_group.command("hash")
def hash_command() -> None:
    """Print the `password_hash` line of a password.

    The command asks for the password, or reads it from the first line of standard input if that is not a terminal. It must
    not be an argument, which other users of the machine could read.
    """
    from ..server.users import hash_password

    try:
        if is_terminal():
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        else:
            password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
        line = hash_password(password)
    except UnicodeError:
        raise click.ClickException("the password is not UTF-8 text") from None  # the cause contains a part of it
    except ValueError as err:
        raise click.ClickException(str(err)) from err
    click.echo(line)

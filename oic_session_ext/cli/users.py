"""`users hash`: the line that stands for a password in the settings file."""

from __future__ import annotations

import sys

import click


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()


@click.group("users")
def users_group() -> None:
    """The users of a settings file."""


@users_group.command("hash")
def hash_command() -> None:
    """Print the `password_hash` line of a password.

    The password is asked for, or read from the first line of standard input when that is not a terminal; it is never an
    argument, which other users of the machine could see.
    """
    from ..server.users import hash_password

    try:
        if is_terminal():
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        else:
            password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
        line = hash_password(password)
    except UnicodeError:
        raise click.ClickException("the password is not UTF-8 text") from None  # the cause repeats a part of it
    except ValueError as err:
        raise click.ClickException(str(err)) from err
    click.echo(line)

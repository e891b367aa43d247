"""`secrets list`, `rotate`: the shared secrets, of which no command shows more than fingerprints."""

from __future__ import annotations

import click

from .rotation import RotatedKind, list_command, rotate_command

_SECRETS = RotatedKind(
    pick=lambda shared: shared.secrets,
    cells=lambda _ring, _fingerprint: (),
    lost="Codes and tokens are refused that a server does not believe yet, or believes no longer; users stay signed in.",
)

_LIST = """List the secrets of CONFIG.yaml: fingerprint and state, the one in use first."""

_ROTATE = """Put a new secret in the place of the one in use, in three stages that nobody notices.

Without an option: make a new one that every server believes. With --promote, when all of them have it: use it. With --retire, when nothing
made with the old one is good any more: take the old one away. Each stage is refused while it is too early, and says from when on it is
possible. Where the secrets are an environment variable, its new value is printed.
"""


@click.group("secrets")
def secrets_group() -> None:
    """The secrets that the servers of a settings file share."""


secrets_group.add_command(list_command(_SECRETS, _LIST))
secrets_group.add_command(rotate_command(_SECRETS, _ROTATE))

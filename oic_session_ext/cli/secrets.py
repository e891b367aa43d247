"""`secrets list`, `rotate`: the shared secrets; commands show only their fingerprints."""

from __future__ import annotations

import click

from .rotation import RotatedKind, list_command, rotate_command

_SECRETS = RotatedKind(
    pick=lambda shared: shared.secrets,
    cells=lambda _ring, _fingerprint: (),
    lost="Codes and tokens of secrets that a server does not accept yet, or any more, are refused; users stay signed in.",
)

_LIST = """List the secrets of CONFIG.yaml: fingerprint and state, the one in use first."""

_ROTATE = """Replace the secret in use in three stages, without an effect for users.

Without an option: generate a new secret, which every server accepts. With --promote, when all servers have it: use it. With --retire, when
everything made with the old secret has expired: remove the old secret. A stage that is too early is refused, with the time from which it is
possible. If the secrets are an environment variable, its new value is printed.
"""


@click.group("secrets")
def secrets_group() -> None:
    """The secrets that the servers of a settings file share."""


secrets_group.add_command(list_command(_SECRETS, _LIST))
secrets_group.add_command(rotate_command(_SECRETS, _ROTATE))

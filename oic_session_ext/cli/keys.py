"""`keys list`, `rotate`: the signing keys; commands show only their public names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .rotation import RotatedKind, list_command, rotate_command

if TYPE_CHECKING:
    from ..server.operations.signing_keys import SigningKeys


def _cells(keys: SigningKeys, one: str) -> Sequence[str]:
    jwk = keys.by_id()[one]
    return jwk.get("kid") or "no kid", jwk.get("alg") or jwk["kty"], jwk.get("use") or "sig"


_KEYS = RotatedKind(
    pick=lambda shared: shared.keys,
    cells=_cells,
    lost="RPs without the new keys refuse ID Tokens, and ID Tokens of removed keys are not accepted at a logout.",
)

_LIST = """List the signing keys of CONFIG.yaml: thumbprint, kid, algorithm, use and state."""

_ROTATE = """Replace the keys in use in three stages, without an effect for users.

Without an option: generate a new key of each kind, which is published but not used. With --promote, when every RP can have the new keys:
sign with them. With --retire, when all sessions with ID Tokens of the old keys have ended: remove the old keys. A stage that is too early
is refused, with the time from which it is possible. If the keys are an environment variable, its new value is printed.
"""


@click.group("keys")
def keys_group() -> None:
    """The signing keys of the servers of a settings file."""


keys_group.add_command(list_command(_KEYS, _LIST))
keys_group.add_command(rotate_command(_KEYS, _ROTATE))

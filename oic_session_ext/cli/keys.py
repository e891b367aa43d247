"""`keys list`, `rotate`: the signing keys, of which no command shows more than their public names."""

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
    lost="RPs that do not know the new keys yet refuse ID Tokens, and those of keys that are taken away prove nothing at a logout.",
)

_LIST = """List the signing keys of CONFIG.yaml: thumbprint, kid, algorithm, use and state."""

_ROTATE = """Put new keys in the place of those in use, in three stages that nobody notices.

Without an option: make a new key of each kind, which is published and not used. With --promote, when every RP can know them: sign with
them. With --retire, when no session lives whose ID Tokens the old ones signed: take the old ones away. Each stage is refused while it is
too early, and says from when on it is possible. Where the keys are an environment variable, its new value is printed.
"""


@click.group("keys")
def keys_group() -> None:
    """The keys that the servers of a settings file sign with."""


keys_group.add_command(list_command(_KEYS, _LIST))
keys_group.add_command(rotate_command(_KEYS, _ROTATE))

"""`adopt`: the way out when a store goes by an issuer, secrets or keys that are lost or given up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit

_LOST = {
    "issuer": "ID Tokens of the issuer before prove nothing here, and its RPs must be set up for this one",
    "secrets": "codes, access tokens and refresh tokens of the secrets before are refused; users stay signed in",
    "keys": "ID Tokens of the keys before are refused by RPs, and prove nothing at a logout",
}


@click.command("adopt")
@config_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt_command(config: Path, yes: bool) -> None:
    """Make the store go by the issuer, secrets and keys of CONFIG.yaml, whatever its servers used before.

    It says what is lost, and asks. Servers that lack these stop serving, so give them to all of them; nothing needs a restart.
    """
    settings = load_settings_or_exit(config)
    from ..cluster.consistency import adopt_issuer, issuer_of
    from ..server.operations.key_storage import SealedKeysLost
    from ..server.operations.shared_secrets import SharedSecrets, start_keys_anew
    from ..store import open_store

    try:
        if settings.store == "memory:":
            raise ConfigError("store", "is memory:, which only the server itself can see")
        with closing(open_store(settings.store)) as store:
            differing = [] if issuer_of(store) in (None, settings.issuer) else ["issuer"]
            try:
                shared = SharedSecrets(settings, store)
                differing += shared.differing()
            except SealedKeysLost:
                _ask([*differing, "secrets", "keys"], yes)
                start_keys_anew(settings, store)
                shared = SharedSecrets(settings, store)
            else:
                if not differing:
                    click.echo("the store goes by these already")
                    return
                _ask(differing, yes)
            adopt_issuer(store, settings.issuer)
            shared.adopt()
            click.echo("the store goes by these now")
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err


def _ask(differing: list[str], yes: bool) -> None:
    for name in differing:
        click.echo(f"{name}: {_LOST[name]}", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)

"""`adopt`: replace the issuer, secrets or keys of a store that are lost or obsolete."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit

_LOST = {
    "issuer": "ID Tokens of the previous issuer are not accepted, and its RPs must be configured for this one",
    "secrets": "codes, access tokens and refresh tokens of the previous secrets are refused; users stay signed in",
    "keys": "ID Tokens of the previous keys are refused by RPs, and not accepted at a logout",
}


@click.command("adopt")
@config_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt_command(config: Path, yes: bool) -> None:
    """Make the issuer, secrets and keys of CONFIG.yaml those of the store, instead of those used before.

    The command prints what is lost, and asks. Servers without these secrets and keys stop serving until they have them; a restart is not
    needed.
    """
    settings = load_settings_or_exit(config)
    from ..cluster.consistency import adopt_issuer, issuer_of
    from ..server.operations.key_storage import SealedKeysLost
    from ..server.operations.shared_secrets import SharedSecrets, start_keys_anew
    from ..store import open_store

    try:
        if settings.store == "memory:":
            raise ConfigError("store", "is memory:, which only the server itself can use")
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
                    click.echo("the store uses these already")
                    return
                _ask(differing, yes)
            adopt_issuer(store, settings.issuer)
            shared.adopt()
            click.echo("the store uses these now")
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

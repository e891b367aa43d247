"""The common commands of `secrets` and `keys`: the list and the stages of a rotation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..clock import system_clock
from ..errors import ConfigError, SessionExtError
from .config_file import BAD_SETTINGS_EXIT_CODE, config_argument, load_settings_or_exit

if TYPE_CHECKING:
    from ..server.operations.shared_secrets import SharedSecret, SharedSecrets

_SERVERS_FOLLOW = "; running servers load it with their next requests; servers with another file need a copy"


@dataclass(frozen=True, slots=True)
class RotatedKind:
    """The differences between the commands for secrets and for keys.

    `pick` selects the kind of a server's secrets, `cells` returns the columns for an id, `lost` is the effect of `--now`.
    """

    pick: Callable[[SharedSecrets], SharedSecret[Any]]
    cells: Callable[[Any, str], Sequence[str]]
    lost: str


def list_command(kind: RotatedKind, about: str) -> click.Command:
    """Return the command `list`."""

    @click.command("list", help=about)
    @config_argument
    def command(config: Path) -> None:
        with opened(config) as shared:
            now, kept = system_clock(), kind.pick(shared)
            for one in kept.held.accepted:
                click.echo("\t".join([one, *kind.cells(kept.held, one), _state_of(kept, one, now)]))

    return command


def rotate_command(kind: RotatedKind, about: str) -> click.Command:
    """Return the command `rotate`."""

    @click.command("rotate", help=about)
    @config_argument
    @click.option("--promote", "stage", flag_value="promote", help="The second stage: use what was added.")
    @click.option("--retire", "stage", flag_value="retire", help="The last stage: remove what is not used any more.")
    @click.option("--now", "at_once", is_flag=True, help="Do not wait until this has no effect for users; for a leaked secret or key.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def command(config: Path, stage: str | None, at_once: bool, yes: bool) -> None:
        if at_once and stage is None:
            raise click.UsageError("--now needs --promote or --retire")
        with opened(config) as shared:
            if at_once and not yes:
                click.confirm(f"{kind.lost} Go on?", abort=True, err=True)
            _carry_out(kind.pick(shared), stage, at_once)

    return command


@contextmanager
def opened(config: Path) -> Iterator[SharedSecrets]:
    """Yield the secrets and keys of a settings file with its store; convert errors to a line on stderr and an exit code."""
    settings = load_settings_or_exit(config)
    from ..server.operations.shared_secrets import SharedSecrets
    from ..store import open_store

    try:
        if settings.store == "memory:":
            raise ConfigError("store", "is memory:, which only the server itself can use")
        with closing(open_store(settings.store)) as store:
            yield SharedSecrets(settings, store)
    except ConfigError as err:
        click.echo(f"{config}: {err}", err=True)
        raise SystemExit(BAD_SETTINGS_EXIT_CODE) from err
    except SessionExtError as err:
        click.echo(f"oic-session-ext: {err}", err=True)
        raise SystemExit(1) from err


def _carry_out(kept: SharedSecret[Any], stage: str | None, at_once: bool) -> None:
    from ..cluster.rotation import TooEarly

    now, rotation = system_clock(), kept.rotation
    lacking = kept.agreement.used_elsewhere(kept.held)
    if lacking:
        raise ConfigError(kept.agreement.name, f"not those of the servers, which use {', '.join(lacking)}; run this where theirs are")
    before = kept.text.read()
    held = kept.parse(before)
    try:
        if stage == "promote":
            new = rotation.promote(held, now, at_once=at_once)
        elif stage == "retire":
            new = rotation.retire(held, now, at_once=at_once)
        else:
            new = rotation.begin(held)
    except TooEarly as err:
        raise TooEarly(f"too early: {err}" + ("" if err.at is None else f"; possible from {_time(err.at)} on"), err.at) from err
    is_kept = kept.text.replace(new.to_text(), instead_of=before)
    if not is_kept:
        click.echo(f"give every server this as {kept.text.place}, and restart one after the other:", err=True)
        click.echo(new.to_text(), nl=False)
    if stage == "promote":
        rotation.promoted(new, now)
        done = f"in use: {', '.join(new.active)}; --retire the old when it is time (see list)"
    elif stage == "retire":
        done = f"retired: {', '.join(one for one in held.accepted if one not in new.accepted)}"
    else:
        rotation.announce(new, now)
        added = [one for one in new.accepted if one not in new.active]
        done = f"added: {', '.join(added)}; --promote from {_time(rotation.may_be_used_at(now))} on"
    click.echo(done + (_SERVERS_FOLLOW if is_kept else ""), err=True)


def _state_of(kept: SharedSecret[Any], one: str, now: int) -> str:
    if one in kept.held.active:
        return "in use"
    if one in kept.rotation.announced(kept.held, now):
        if kept.agreement.is_lacked(one, now):
            return "next, but a running server does not have it"
        return f"next, may be used from {_time(kept.rotation.may_be_used_at(now))} on"
    until = kept.agreement.lives_until(one, now)
    return "old, may be retired" if until is None else f"old, may be retired from {_time(until)} on"


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

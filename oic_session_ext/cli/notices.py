"""`notices list`, `show`, `resend`, `drop`: administration of pending and undeliverable logout notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..clock import system_clock
from ..web.printable import printable
from .config_file import config_argument
from .output import counted, json_line, time_text
from .store_option import opened_store
from .users import is_terminal

if TYPE_CHECKING:
    from ..logout.notice_administration import NoticeAdministration, NoticeCriteria
    from ..model import LogoutNotice

_Command = TypeVar("_Command", bound=Callable[..., Any])

_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; instants are seconds since 1970.")
_client_option = click.option("--client", "client_id", metavar="CLIENT_ID", help="Notices to this client.")
_state_option = click.option("--state", type=click.Choice(["pending", "undeliverable"]), help="Notices in this state.")


def _limit_option(default: int) -> Callable[[_Command], _Command]:
    return click.option("--limit", type=click.IntRange(min=1), default=default, show_default=True, help="At most so many, by due time.")


@click.group("notices")
def notices_group() -> None:
    """The pending and undeliverable logout notices in the store of a settings file."""


@notices_group.command("list")
@config_argument
@_state_option
@_client_option
@_limit_option(100)
@_json_option
def list_command(config: Path, state: str | None, client_id: str | None, limit: int, as_json: bool) -> None:
    """List notices by due time. Delivered ones are not kept.

    The columns, separated by tabs, are: id, state, client, user, reason, end of the session, attempts, due time, and the last problem.
    """
    with _administration(config) as administration:
        found = administration.find(_criteria(state=state, client_id=client_id), limit + 1)
        for notice in found[:limit]:
            click.echo(json_line(_facts(notice)) if as_json else _line(notice))
        if len(found) > limit:
            click.echo(f"there are more than {limit}; see --limit", err=True)


@notices_group.command("show")
@config_argument
@click.argument("notice_id", metavar="ID")
@_json_option
def show_command(config: Path, notice_id: str, as_json: bool) -> None:
    """Show a notice. Exit code 1 if it does not exist, because it was delivered or dropped."""
    with _administration(config) as administration:
        found = administration.find(_criteria(ids=(notice_id,)), 1)
        if not found:
            raise click.ClickException("the notice does not exist")
        facts = _facts(found[0])
        click.echo(json_line(facts) if as_json else "\n".join(f"{name}: {_shown(name, value)}" for name, value in facts.items()))


@notices_group.command("resend")
@config_argument
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_client_option
@click.option("--all", "is_all", is_flag=True, help="Every undeliverable notice.")
@_limit_option(10_000)
@click.option("--dry-run", is_flag=True, help="Only print which notices would be sent.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json_option
def resend_command(
    config: Path, ids: tuple[str, ...], client_id: str | None, is_all: bool, limit: int, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Send undeliverable notices again: those with these IDs, of a client, or all. A running server or `deliver` sends them at once.

    Front-channel notices (problem `needs_browser`) do not change, because only the user's browser could notify their clients. Exit code 1
    if a notice with one of the IDs cannot be sent.
    """
    with _administration(config) as administration:
        if not ids and client_id is None and not is_all:
            raise click.UsageError("select the notices: at least one ID, --client, or --all")
        found = administration.find(_criteria(ids=ids, client_id=client_id, state="undeliverable"), limit)
        sendable = [notice for notice in found if notice.channel == "backchannel"]
        _ask("Send", sendable, dry_run or yes)
        sent = [notice for notice in sendable if dry_run or administration.resend(notice)]
        for notice in sent:
            click.echo(json_line(_facts(notice)) if as_json else _line(notice))
        click.echo(f"{counted(len(sent), 'notice')} {'would be' if dry_run else 'will be'} sent again", err=True)
        if len(sendable) < len(found):
            click.echo(f"{counted(len(found) - len(sendable), 'notice')} cannot be sent: they need the user's browser", err=True)
        if ids and len(sent) < len(set(ids)):
            raise click.ClickException("some IDs have no notice that can be sent again")


@notices_group.command("drop")
@config_argument
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_client_option
@_state_option
@click.option("--all", "is_all", is_flag=True, help="Every notice.")
@_limit_option(10_000)
@click.option("--dry-run", is_flag=True, help="Only print which notices would be dropped.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json_option
def drop_command(
    config: Path,
    ids: tuple[str, ...],
    client_id: str | None,
    state: str | None,
    is_all: bool,
    limit: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Drop notices: those with these IDs, or those that meet all given options. Their clients are not notified.

    If there is nothing to drop, this is not an error, so that a failed command can be repeated.
    """
    with _administration(config) as administration:
        if not ids and client_id is None and state is None and not is_all:
            raise click.UsageError("select the notices: at least one ID, --client, --state, or --all")
        found = administration.find(_criteria(ids=ids, client_id=client_id, state=state), limit)
        _ask("Drop", found, dry_run or yes)
        for notice in found:
            if not dry_run:
                administration.drop(notice)
            click.echo(json_line(_facts(notice)) if as_json else _line(notice))
        click.echo(f"{counted(len(found), 'notice')} {'would be ' if dry_run else ''}dropped", err=True)


def _criteria(*, ids: tuple[str, ...] = (), client_id: str | None = None, state: str | None = None) -> NoticeCriteria:
    from ..logout.notice_administration import NoticeCriteria
    from ..model import NoticeState

    return NoticeCriteria(ids, client_id, None if state is None else NoticeState(state))


def _ask(verb: str, notices: Sequence[LogoutNotice], is_settled: bool) -> None:
    if notices and not is_settled and is_terminal():
        click.confirm(f"{verb} {counted(len(notices), 'notice')}?", abort=True, err=True)


@contextmanager
def _administration(config: Path) -> Iterator[NoticeAdministration]:
    from ..logout.notice_administration import NoticeAdministration

    with opened_store(config) as (_, store):
        yield NoticeAdministration(store, system_clock)


def _facts(notice: LogoutNotice) -> dict[str, Any]:
    """Return the fields of a notice; `due_at` of an undeliverable one is the time until which it is kept."""
    return {
        "id": notice.id,
        "state": notice.state.value,
        "channel": notice.channel.value,
        "client_id": notice.client_id,
        "user": notice.uid,
        "sub": notice.sub,
        "sid": notice.sid,
        "reason": notice.reason.value,
        "ended_at": notice.ended_at,
        "due_at" if notice.state == "pending" else "kept_until_at": notice.due_at,
        "attempts": notice.attempts,
        "problem": notice.problem,
    }


def _line(notice: LogoutNotice) -> str:
    due = "due" if notice.state == "pending" else "kept until"
    return "\t".join(
        [
            printable(notice.id),
            notice.state.value,
            printable(notice.client_id),
            printable(notice.uid),
            notice.reason.value,
            f"ended {time_text(notice.ended_at)}",
            counted(notice.attempts, "attempt"),
            f"{due} {time_text(notice.due_at)}",
            printable(notice.problem) or "no problem",
        ]
    )


def _shown(name: str, value: Any) -> str:
    return time_text(value) if name.endswith("_at") else printable(str(value))

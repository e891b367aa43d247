"""`sessions list`, `show`, `end`: what an operator does to OP sessions, straight on the store, whether or not servers run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
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
    from ..model import LogoutNotice, OpSession
    from ..sessions.administration import SessionAdministration

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Read a duration as the settings file spells it."""
    from ..server.config.types import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except ValueError as err:
        raise click.BadParameter(str(err)) from err


_SID_HELP = "The session in which a client has a share of this sid."


def _filters(command: _Command) -> _Command:
    """Give a command the options that `list` and `end` have in common."""
    for option in (
        click.option("--older-than", metavar="DURATION", callback=_seconds, help="Sessions that began longer ago: 90s, 30m, 8h, 14d."),
        click.option("--client", "client_id", metavar="CLIENT_ID", help="Sessions in which this client has a share."),
        click.option("--user", "uid", metavar="USERNAME", help="Sessions of this user."),
    ):
        command = option(command)
    return command


_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; instants are seconds since 1970.")


@click.group("sessions")
def sessions_group() -> None:
    """The OP sessions in the store of a settings file: who is signed in, and where."""


@sessions_group.command("list")
@config_argument
@_filters
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Print so many at most, the oldest.")
@_json_option
def list_command(config: Path, uid: str | None, client_id: str | None, older_than: int | None, limit: int, as_json: bool) -> None:
    """List OP sessions, oldest first, those that meet every option given.

    A line has, between tabs: id, user, when it began, when it was last used, until when it lives, and its clients.
    """
    from ..sessions.administration import SessionCriteria

    with _administration(config) as administration:
        criteria = SessionCriteria(uid=uid, client_id=client_id, created_before=_instant_before(older_than))
        found = administration.find(criteria)
        for session in islice(found, limit):
            click.echo(json_line(_session_facts(session)) if as_json else _session_line(session))
        if next(found, None) is not None:
            click.echo(f"there are more than {limit}; see --limit", err=True)


@sessions_group.command("show")
@config_argument
@click.argument("op_session_id", metavar="ID", required=False)
@click.option("--sid", help=_SID_HELP)
@_json_option
def show_command(config: Path, op_session_id: str | None, sid: str | None, as_json: bool) -> None:
    """Show one OP session, by its ID or by the sid of a share in it: all but its secrets, and who would be told if it ended.

    Exit code 1 when there is none.
    """
    from ..sessions.administration import SessionCriteria

    if (op_session_id is None) == (sid is None):
        raise click.UsageError("give either ID or --sid")
    with _administration(config) as administration:
        session = next(administration.find(SessionCriteria(op_session_id=op_session_id, sid=sid)), None)
        if session is None:
            raise click.ClickException("there is no such session")
        facts = _session_facts(session) | {"rp_sessions": _rp_session_facts(session, administration.plan_end(session))}
        click.echo(json_line(facts) if as_json else "\n".join(_session_paragraph(facts)))


@sessions_group.command("end")
@config_argument
@click.option("--id", "op_session_id", metavar="ID", help="The session of this id.")
@click.option("--sid", help=_SID_HELP)
@_filters
@click.option("--dry-run", is_flag=True, help="Say which sessions would end and which clients would be told; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json_option
def end_command(config: Path, dry_run: bool, yes: bool, as_json: bool, older_than: int | None, **criteria: str | None) -> None:
    """End the OP sessions that meet every criterion given; at least one is needed.

    With each go its codes and tokens, except offline refresh tokens; its clients are told over the channels that they registered.
    On a terminal it asks before. That there is nothing to end is no error, so it can be run again after one.
    """
    from ..sessions.administration import SessionCriteria

    if older_than is None and not any(value is not None for value in criteria.values()):
        raise click.UsageError("say which sessions: at least one of --id, --sid, --user, --client, --older-than")
    wanted = SessionCriteria(created_before=_instant_before(older_than), **criteria)
    with _administration(config) as administration:
        if not (dry_run or yes) and is_terminal():
            count = sum(1 for _ in administration.find(wanted))
            if count:
                click.confirm(f"End {counted(count, 'session')}?", abort=True, err=True)
        tally = _Tally()
        try:
            for session in administration.find(wanted):
                notices = administration.plan_end(session) if dry_run else administration.end(session)
                if notices is None:
                    continue  # somebody else was first
                tally.add(notices)
                told = _told(notices)
                click.echo(json_line(_session_facts(session) | {"told": told}) if as_json else _end_line(session, told))
        finally:  # when the store fails half-way, what has ended has ended
            click.echo(tally.sentence(is_dry=dry_run), err=True)


@dataclass(slots=True)
class _Tally:
    sessions: int = 0
    notices: int = 0

    def add(self, notices: list[LogoutNotice]) -> None:
        self.sessions += 1
        self.notices += len(notices)

    def sentence(self, *, is_dry: bool) -> str:
        sessions, notices = counted(self.sessions, "session"), counted(self.notices, "notice")
        return f"{sessions} would end, {notices} would be recorded" if is_dry else f"{sessions} ended, {notices} recorded"


@contextmanager
def _administration(config: Path) -> Iterator[SessionAdministration]:
    from ..clients.registry import KnownClients
    from ..server.operations.listeners import hooks_of
    from ..sessions.administration import SessionAdministration

    with opened_store(config) as (settings, store):
        clients = KnownClients({client.client_id: client.metadata() for client in settings.clients}, store)
        yield SessionAdministration(store, clients, settings.session_management_settings(), system_clock, hooks_of(settings))


def _instant_before(older_than: int | None) -> int | None:
    return None if older_than is None else system_clock() - older_than


def _session_facts(session: OpSession) -> dict[str, Any]:
    """Return what may be shown of a session, named one by one so that no secret can slip in."""
    return {
        "id": session.id,
        "user": session.uid,
        "created_at": session.created_at,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "last_active_at": session.last_active_at,
        "idle_expires_at": session.idle_expires_at,
        "expires_at": session.expires_at,
        "is_live": session.is_live(system_clock()),
        "clients": [rp.client_id for rp in session.rp_sessions],
    }


def _rp_session_facts(session: OpSession, notices: list[LogoutNotice]) -> list[dict[str, Any]]:
    told = _told(notices)
    return [
        {"client_id": rp.client_id, "sub": rp.sub, "sid": rp.sid, "created_at": rp.created_at, "told": told.get(rp.client_id, [])}
        for rp in session.rp_sessions
    ]


def _told(notices: list[LogoutNotice]) -> dict[str, list[str]]:
    """Return the channels by client; a client that registered none is not in it."""
    told: dict[str, list[str]] = {}
    for notice in notices:
        told.setdefault(notice.client_id, []).append(notice.channel.value)
    return told


def _session_line(session: OpSession) -> str:
    until = time_text(min(session.idle_expires_at, session.expires_at))
    return "\t".join(
        [
            printable(session.id),
            printable(session.uid),
            f"since {time_text(session.created_at)}",
            f"active {time_text(session.last_active_at)}",
            f"expires {until}" if session.is_live(system_clock()) else f"over since {until}",
            printable(", ".join(rp.client_id for rp in session.rp_sessions)) or "no clients",
        ]
    )


def _session_paragraph(facts: dict[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name not in ("clients", "rp_sessions"):
            yield f"{name}: {_shown(name, value)}"
    for rp in facts["rp_sessions"]:
        yield f"client {printable(rp['client_id'])}"
        for name in ("sub", "sid", "created_at"):
            yield f"  {name}: {_shown(name, rp[name])}"
        yield f"  told by: {', '.join(rp['told']) or 'nothing'}"


def _end_line(session: OpSession, told: dict[str, list[str]]) -> str:
    clients = [f"{rp.client_id} ({', '.join(told.get(rp.client_id, ['not told']))})" for rp in session.rp_sessions]
    return "\t".join([printable(session.id), printable(session.uid), printable(", ".join(clients)) or "no clients"])


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return time_text(value) if name.endswith(("_at", "_time")) else printable(str(value))

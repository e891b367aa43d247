"""`sessions list`, `show`, `end`: administration of OP sessions directly on the store, even if no server runs."""

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
    """Parse a duration in the form of the settings file."""
    from ..server.config.types import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except ValueError as err:
        raise click.BadParameter(str(err)) from err


_SID_HELP = "The session with the RP session of this sid."


def _filters(command: _Command) -> _Command:
    """Add the common options of `list` and `end` to a command."""
    for option in (
        click.option("--older-than", metavar="DURATION", callback=_seconds, help="Sessions older than this: 90s, 30m, 8h, 14d."),
        click.option("--client", "client_id", metavar="CLIENT_ID", help="Sessions with an RP session of this client."),
        click.option("--user", "uid", metavar="USERNAME", help="Sessions of this user."),
    ):
        command = option(command)
    return command


_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; instants are seconds since 1970.")


@click.group("sessions")
def sessions_group() -> None:
    """The OP sessions in the store of a settings file: the signed-in users and their clients."""


@sessions_group.command("list")
@config_argument
@_filters
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Print at most so many, the oldest ones.")
@_json_option
def list_command(config: Path, uid: str | None, client_id: str | None, older_than: int | None, limit: int, as_json: bool) -> None:
    """List the OP sessions that meet all given options, oldest first.

    The columns, separated by tabs, are: id, user, start, last activity, expiry, and clients.
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
    """Show an OP session by its ID or by the sid of an RP session, without its secrets, and the clients to notify at its end.

    Exit code 1 if it does not exist.
    """
    from ..sessions.administration import SessionCriteria

    if (op_session_id is None) == (sid is None):
        raise click.UsageError("give either ID or --sid")
    with _administration(config) as administration:
        session = next(administration.find(SessionCriteria(op_session_id=op_session_id, sid=sid)), None)
        if session is None:
            raise click.ClickException("the session does not exist")
        facts = _session_facts(session) | {"rp_sessions": _rp_session_facts(session, administration.plan_end(session))}
        click.echo(json_line(facts) if as_json else "\n".join(_session_paragraph(facts)))


@sessions_group.command("end")
@config_argument
@click.option("--id", "op_session_id", metavar="ID", help="The session of this id.")
@click.option("--sid", help=_SID_HELP)
@_filters
@click.option("--dry-run", is_flag=True, help="Only print which sessions would end and which clients would be notified.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json_option
def end_command(config: Path, dry_run: bool, yes: bool, as_json: bool, older_than: int | None, **criteria: str | None) -> None:
    """End the OP sessions that meet all given criteria; at least one is required.

    The codes and tokens of each session are deleted, except offline refresh tokens. Its clients are notified over their registered
    channels.
    On a terminal the command asks first. If there is nothing to end, this is not an error, so that a failed command can be repeated.
    """
    from ..sessions.administration import SessionCriteria

    if older_than is None and not any(value is not None for value in criteria.values()):
        raise click.UsageError("select the sessions: at least one of --id, --sid, --user, --client, --older-than")
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
                    continue  # the session has ended meanwhile
                tally.add(notices)
                channels = _channels_by_client(notices)
                facts = _session_facts(session) | {"notified_by": channels}
                click.echo(json_line(facts) if as_json else _end_line(session, channels))
        finally:  # if the store fails half-way, some sessions have ended
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
    """Return the printable fields of a session; an explicit list, so that it never includes a secret."""
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
    channels = _channels_by_client(notices)
    return [
        {
            "client_id": rp.client_id,
            "sub": rp.sub,
            "sid": rp.sid,
            "created_at": rp.created_at,
            "notified_by": channels.get(rp.client_id, []),
        }
        for rp in session.rp_sessions
    ]


def _channels_by_client(notices: list[LogoutNotice]) -> dict[str, list[str]]:
    """Return the channels of each client to notify; clients without a registered channel are left out."""
    channels: dict[str, list[str]] = {}
    for notice in notices:
        channels.setdefault(notice.client_id, []).append(notice.channel.value)
    return channels


def _session_line(session: OpSession) -> str:
    until = time_text(min(session.idle_expires_at, session.expires_at))
    return "\t".join(
        [
            printable(session.id),
            printable(session.uid),
            f"since {time_text(session.created_at)}",
            f"active {time_text(session.last_active_at)}",
            f"expires {until}" if session.is_live(system_clock()) else f"expired {until}",
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
        yield f"  notified by: {', '.join(rp['notified_by']) or 'no channel'}"


def _end_line(session: OpSession, channels: dict[str, list[str]]) -> str:
    clients = [f"{rp.client_id} ({', '.join(channels.get(rp.client_id, ['not notified']))})" for rp in session.rp_sessions]
    return "\t".join([printable(session.id), printable(session.uid), printable(", ".join(clients)) or "no clients"])


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return time_text(value) if name.endswith(("_at", "_time")) else printable(str(value))

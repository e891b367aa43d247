"""How often each flow of the bundled server asks its store, counted at the drivers.

`python -m tests.flows.machines.round_trips` prints a table.
A round trip is what a thread waits for: on PostgreSQL and Redis the network is in it. SQLite has none; there statements count, and commits.
To tell the RPs of a logout is not in it: that is done beside the request.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from redis.connection import AbstractConnection

from oic_session_ext.store.sql.postgresql_pipeline import PipelineConnection
from oic_session_ext.store.sql.sqlite import SqliteConnections
from tests.bundled_op import CLIENTS, OUT_URIS, Op, OpBrowser, make_settings
from tests.flows.machines.engine import NAMES, running_engine

BACKCHANNEL_URI = "https://rp.example.com/backchannel_logout"

ONLY_RECORDED = {"backchannel": {"deliver": "elsewhere"}}
"""The settings' section `logout` of a server that records whom to tell of a logout, and tells nobody."""


@dataclass
class Count:
    """What one request has cost: `statements` are those of SQL without BEGIN and COMMIT."""

    round_trips: int = 0
    statements: int = 0
    commits: int = 0


class StoreMeter:
    """Counts what goes to the stores of this process while it is `on`."""

    def __init__(self) -> None:
        self.count = Count()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count, at the places where the engines hand over to their drivers."""
        open_sqlite, run_pipeline, send = SqliteConnections._open_connection, PipelineConnection.run, AbstractConnection.send_packed_command

        def open_counted(connections: Any) -> Any:
            held: Any = open_sqlite(connections)
            held.dbapi = _CountedConnection(held.dbapi, self)
            return held

        def run_counted(connection: Any, statements: Any) -> Any:
            self.count.round_trips += 1
            texts = [statement.sql for statement, _ in statements]
            self.count.statements += len([text for text in texts if text not in ("BEGIN", "COMMIT", "ROLLBACK")])
            is_commit = "COMMIT" in texts or ("BEGIN" not in texts and not all(text.startswith("SELECT") for text in texts))
            self.count.commits += is_commit
            return run_pipeline(connection, statements)

        def send_counted(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self.count.round_trips += 1
            return send(connection, *args, **kwargs)

        with ExitStack() as stack:
            stack.enter_context(patch.object(SqliteConnections, "_open_connection", open_counted))
            stack.enter_context(patch.object(PipelineConnection, "run", run_counted))
            stack.enter_context(patch.object(AbstractConnection, "send_packed_command", send_counted))
            yield


class _CountedConnection:
    """A connection to SQLite that counts; statements run by the database itself, such as cascades, are none of ours."""

    def __init__(self, connection: Any, meter: StoreMeter) -> None:
        self._connection, self._meter = connection, meter

    def cursor(self) -> Any:
        return _CountedCursor(self._connection.cursor(), self._meter)

    def commit(self) -> None:
        self._meter.count.commits += 1
        self._connection.commit()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _CountedCursor:
    def __init__(self, cursor: Any, meter: StoreMeter) -> None:
        self._cursor, self._meter = cursor, meter

    def execute(self, sql: str, *values: Any) -> Any:
        self._meter.count.statements += not sql.startswith("BEGIN")
        return self._cursor.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def clients() -> list[dict[str, Any]]:
    """The RPs, each to be told of a logout over the back channel, in the settings of a server."""
    return [client | {"backchannel_logout_uri": BACKCHANNEL_URI} for client in CLIENTS]


def measure(op: Op, meter: StoreMeter) -> dict[str, Count]:
    """Go through every flow once; return what each request has cost."""
    counts: dict[str, Count] = {}

    def counted(name: str, ask: Callable[[], Any]) -> Any:
        meter.count = counts[name] = Count()
        try:
            return ask()
        finally:
            meter.count = Count()  # what is between two flows is of neither

    browser, stranger = op.browser(), op.browser()
    counted("authorization, nobody signed in", stranger.authorize)
    counted("authorization, prompt=none, nobody signed in", stranger.renew)
    way = browser.authorize()
    page = counted("login page", lambda: browser.follow(way))
    code = counted("authorization with login (POST of the form)", lambda: browser.enter(page)).query["code"]
    tokens = counted("token", lambda: browser.redeem(code)).json
    counted("userinfo", lambda: browser.userinfo(tokens["access_token"]))
    counted("authorization, sso at a new RP", lambda: browser.renew("spa"))
    counted("authorization, prompt=none, again", browser.renew)
    op.clock.advance(61)
    stranger.renew()  # with which the process sees, as it does now and then, that the cluster agrees with it
    counted("authorization, prompt=none, after a minute", browser.renew)
    code = _offline_code(browser, lambda ask: counted("authorization with consent (POST of the form)", ask), "web")
    offline = browser.redeem(code).json
    counted("refresh, confidential client", lambda: browser.refresh(offline["refresh_token"]))
    offline = browser.redeem(_offline_code(browser, lambda ask: ask(), "spa"), "spa").json
    counted("refresh, public client", lambda: browser.refresh(offline["refresh_token"], "spa"))
    counted("iframe", lambda: browser.get("/check_session"))
    question = counted("end_session without a hint", browser.end_session)
    counted("end_session, confirmation", lambda: browser.submit(question, "logout"))
    tokens = browser.sign_in()
    browser.renew("spa")
    hint = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": OUT_URIS["web"]}
    counted("end_session with a hint, two RPs", lambda: browser.end_session(**hint))
    assert not browser.is_signed_in()
    return counts


def _offline_code(browser: OpBrowser, ask: Callable[[Callable[[], Any]], Any], client_id: str) -> str:
    page = browser.follow(browser.authorize(client_id, scope="openid offline_access", prompt="consent"))
    return str(ask(lambda: browser.submit(page, "allow")).query["code"])


def measure_engine(name: str, folder: Path, keys_file: str) -> dict[str, Count]:
    """Return the counts of one engine; the flows are gone through once before, so that the server knows scripts and statements."""
    meter = StoreMeter()
    with running_engine(name, folder) as engine, meter.on():
        secrets = {"file": str(folder / "secrets")}
        op = Op.build(make_settings(keys_file, store=engine.url, secrets=secrets, clients=clients(), logout=ONLY_RECORDED))
        measure(op, meter)
        counts = measure(op, meter)
        op.server.store.close()
    return counts


def table(engines: dict[str, dict[str, Count]]) -> str:
    """The counts as Markdown: a line for each flow."""
    lines = [
        "| flow | Redis: round trips | PostgreSQL: round trips | PostgreSQL: statements | SQLite: statements | durable commits |",
        "|---|---|---|---|---|---|",
    ]
    for flow, sqlite in engines["sqlite"].items():
        postgresql, redis = engines["postgresql"][flow], engines["redis"][flow]
        cells = [redis.round_trips, postgresql.round_trips, postgresql.statements, sqlite.statements, sqlite.commits]
        lines.append(f"| {flow} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        engines = {}
        for name in NAMES:
            (Path(folder) / name).mkdir()
            engines[name] = measure_engine(name, Path(folder) / name, f"{folder}/keys.json")
    print(table(engines))


if __name__ == "__main__":
    main()

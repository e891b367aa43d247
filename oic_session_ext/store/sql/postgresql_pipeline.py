"""A connection to PostgreSQL that sends several prepared statements together and gets their results in one round trip.

It uses psycopg's libpq wrapper. A commit of four statements takes 80 us of CPU this way and 490 us with psycopg's cursors in a
pipeline (psycopg 3.3 with its C parts). The wait for results is limited here, also if the server has frozen.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from .connections import Row
from .prepared import Prepared

ANSWER_TIMEOUT_S: Final = 10.0
"""How many seconds all results of one `run` may take together before the connection counts as lost."""


class PipelineConnection:
    """A connection for one thread at a time.

    `parameters` are those of libpq, `settings` those of PostgreSQL for the connection. Every method may raise
    `psycopg.Error`; the connection must not be used afterwards.
    """

    def __init__(self, parameters: Mapping[str, Any], settings: Mapping[str, str]) -> None:
        self._connection = psycopg.connect(**parameters, autocommit=True)
        try:
            setting = ", ".join(["set_config(%s, %s, false)"] * len(settings))
            self._connection.execute(f"SELECT {setting}", [text for pair in settings.items() for text in pair])
            self._pgconn = self._connection.pgconn
            self._pgconn.enter_pipeline_mode()
        except BaseException:
            self._connection.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)
        self._reader = Transformer.from_context(self._connection)
        self._names: dict[Prepared, bytes] = {}
        self._number = 0

    def run(self, statements: Sequence[tuple[Prepared, Sequence[bytes | None]]]) -> list[PGresult]:
        """Send statements with their values; return the result of each when the server is ready for more.

        Without a BEGIN they are one transaction, which is committed when this returns unless a result is an error. After an
        error, the following statements are not run.
        """
        preparing: list[Prepared | None] = []  # for each answer, the statement that it prepares, None for a result
        for statement, values in statements:
            name = self._names.get(statement)
            if name is None:
                self._number += 1
                name = self._names[statement] = b"s%d" % self._number
                self._pgconn.send_prepare(name, statement.sql.encode())
                preparing.append(statement)
            self._pgconn.send_query_prepared(name, values)
            preparing.append(None)
        self._pgconn.pipeline_sync()
        answers = self._answers()
        if len(answers) == len(statements):
            return answers
        return self._results(preparing, answers)

    def rows_of(self, result: PGresult) -> list[Row]:
        """Return the rows of a SELECT."""
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    def _results(self, preparing: list[Prepared | None], answers: list[PGresult]) -> list[PGresult]:
        """Return the results of the statements; if a statement could not be prepared, that error instead."""
        results = []
        failed: PGresult | None = None
        for statement, answer in zip(preparing, answers, strict=True):
            if statement is None:
                results.append(failed or answer)
                failed = None
            elif answer.status != ExecStatus.COMMAND_OK:
                del self._names[statement]
                failed = answer
        return results

    def _answers(self) -> list[PGresult]:
        """Wait for the answers to all statements sent."""
        pgconn = self._pgconn
        answers: list[PGresult] = []
        until = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            while pgconn.is_busy():
                self._wait(until)
            answer = pgconn.get_result()
            if answer is None:  # the end of one statement's answers
                if pgconn.status == ConnStatus.BAD:
                    raise psycopg.OperationalError(pgconn.error_message.decode(errors="replace"))
            elif answer.status == ExecStatus.PIPELINE_SYNC:
                return answers
            else:
                answers.append(answer)

    def _wait(self, until: float) -> None:
        """Wait until the server has sent data, or can accept more unsent data."""
        is_unsent = bool(self._pgconn.flush())
        if is_unsent:
            self._poll.modify(self._pgconn.socket, select.POLLIN | select.POLLOUT)
        came = self._poll.poll(max(0.0, until - time.monotonic()) * 1000)
        if is_unsent:
            self._poll.modify(self._pgconn.socket, select.POLLIN)
        if not came:
            raise psycopg.OperationalError(f"no answer within {ANSWER_TIMEOUT_S:g} s")
        self._pgconn.consume_input()

    def is_quiet(self) -> bool:
        """Return whether there is no unsolicited data, which usually means that the server has closed the connection."""
        return not self._poll.poll(0)

    @property
    def is_closed(self) -> bool:
        """Whether the connection was closed."""
        return self._connection.closed

    def close(self) -> None:
        """Close the connection; the server rolls back uncommitted changes."""
        self._connection.close()


def encoded(values: Sequence[Any]) -> list[bytes | None]:
    """Return values in PostgreSQL's text format.

    Raises: ValueError: a text contains a NUL or a lone surrogate, which the database cannot store.
    """
    return [None if value is None else _encoded(value) for value in values]


def _encoded(value: str | int) -> bytes:
    if isinstance(value, str):
        if "\0" in value:  # libpq would end the text there
            raise ValueError("a text with a NUL cannot be stored")
        return value.encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    return b"%d" % value


def error_of(result: PGresult) -> tuple[str, str] | None:
    """Return the SQLSTATE and the message of a failed statement, or None if it ran."""
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return None
    fields = [result.error_field(field) or b"" for field in (DiagnosticField.SQLSTATE, DiagnosticField.MESSAGE_PRIMARY)]
    return fields[0].decode(), fields[1].decode(errors="replace")

"""Several processes on one address: a supervisor forks them, starts again what dies, and passes on what it is told.

The supervisor opens no store and starts no thread: neither connections nor threads survive a fork, so whatever is opened is opened by the
workers. Each worker shares a pair of sockets with it; that one end closes is how either learns that the other has ended.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from ...errors import ConfigError, SessionExtError, StoreUnavailable
from .signals import ReceivedSignals

logger = logging.getLogger("oic_session_ext")

Work = Callable[[Callable[[], None]], None]
"""What a worker does: it makes the call that it is given when it is ready, and returns when SIGTERM has told it to stop."""

_ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 60
"""After the death of a worker that lived for so long, pauses are short again."""

_GIVE_UP_AFTER = 6
"""So many starts may fail one after the other while no worker serves."""

_READY = b"ready"


class NoWorkerStarts(SessionExtError):
    """No worker serves, and none that is started begins to."""


class Supervisor:
    """Keeps `count` processes at work on a socket until SIGTERM or SIGINT; SIGHUP is passed on to each.

    The first worker starts alone: what cannot work is told once, and what a first start makes (secrets, keys, tables) is made once.
    """

    def __init__(self, work: Work, count: int, listening: socket.socket, *, when_ready: Callable[[], None], stop_within_s: float) -> None:
        self._work = work
        self._count = count
        self._listening = listening
        self._when_ready = when_ready
        self._stop_within_s = stop_within_s
        self._workers: list[_Worker] = []
        self._has_served = False
        self._deaths = 0
        self._failed_starts = 0
        self._next_start_at = 0.0

    def run(self) -> None:
        """Start the workers and see to them until told to stop. When this returns, or raises, none is left.

        A worker that was asked to stop and does not within `stop_within_s` is killed.

        Raises: SessionExtError: why the first worker could not start; `NoWorkerStarts` when it did not say, or later when none can.
        """
        is_announced = False
        with ReceivedSignals(*_ORDERS) as signals:
            try:
                while True:
                    self._start_missing(signals)
                    if not self._obey(signals):
                        break
                    if not is_announced and sum(worker.is_ready for worker in self._workers) == self._count:
                        is_announced = True
                        self._when_ready()
            finally:
                self._stop()

    def _start_missing(self, signals: ReceivedSignals) -> None:
        while self._until_next_start_s() == 0:
            try:
                self._workers.append(_Worker.start(self._work, [worker.channel for worker in self._workers], signals))
            except OSError as err:
                self._note_failed_start(NoWorkerStarts(f"there can be no further process: {err.strerror}"))

    def _until_next_start_s(self) -> float | None:
        """Return for how long nobody needs to be started; None when no worker is missing."""
        if len(self._workers) == (self._count if self._has_served else 1):
            return None
        return max(0.0, self._next_start_at - time.monotonic())

    def _obey(self, signals: ReceivedSignals) -> bool:
        """Wait until there is something to do, and do it; False when told to stop."""
        heard: list[ReceivedSignals | _Worker] = [signals, *self._workers]
        readable = set(select.select(heard, [], [], self._until_next_start_s())[0])
        if signals in readable:
            if signals.take() != signal.SIGHUP:
                return False
            for worker in self._workers:
                worker.hang_up()
        for worker in [worker for worker in self._workers if worker in readable]:
            if not worker.hear():
                self._workers.remove(worker)
                self._note_end(worker)
            elif worker.is_ready:
                self._has_served = True
                self._failed_starts = 0
        return True

    def _note_end(self, worker: _Worker) -> None:
        how = worker.reap()
        if not worker.is_ready:
            self._note_failed_start(worker.error or NoWorkerStarts(f"a worker ended while it started ({how})"))
            return
        if worker.age_s() >= _STEADY_AFTER_S:
            self._deaths = 0
        logger.warning("worker %d ended (%s); another is started in %.1f s", worker.pid, how, self._pause_s())

    def _note_failed_start(self, error: SessionExtError) -> None:
        if not self._has_served:
            raise error
        if not isinstance(error, StoreUnavailable):  # which ends by itself one day, and until then is answered with 503
            self._failed_starts += 1
        if self._failed_starts >= _GIVE_UP_AFTER and not any(worker.is_ready for worker in self._workers):
            raise NoWorkerStarts(f"no worker serves and none can be started: {error}") from error
        logger.error("a worker cannot start: %s; the next try is in %.1f s", error, self._pause_s())

    def _pause_s(self) -> float:
        """Put the next start off, for longer with each death that follows another; return for how long."""
        pause_s = float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._deaths, 10)))
        self._deaths += 1
        self._next_start_at = time.monotonic() + pause_s
        return pause_s

    def _stop(self) -> None:
        """End all workers: whoever still answers somebody finishes that."""
        self._listening.close()  # when the last worker has closed it too, nobody can connect any more
        for worker in self._workers:
            worker.send(signal.SIGTERM)
        kill_at = time.monotonic() + self._stop_within_s
        while self._workers:
            left_s = kill_at - time.monotonic()
            if left_s <= 0:
                for worker in self._workers:
                    logger.warning("worker %d does not stop and is killed", worker.pid)
                    worker.send(signal.SIGKILL)
            for worker in select.select(self._workers, [], [], left_s if left_s > 0 else None)[0]:
                if not worker.hear():
                    self._workers.remove(worker)
                    worker.reap()


class _Worker:
    """A process that serves or is about to, as the supervisor sees it."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self._started_at = time.monotonic()
        self._said = b""
        self._owes_hangup = False

    @classmethod
    def start(cls, work: Work, others: list[socket.socket], signals: ReceivedSignals) -> _Worker:
        """Fork a worker; the new process never returns from here.

        Raises: OSError: the system allows no further process.
        """
        ours, theirs = socket.socketpair()
        # a signal in between would be taken for one to the supervisor
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ORDERS)
        try:
            pid = os.fork()
            if pid == 0:
                signals.give_back()
                for channel in (ours, *others):
                    channel.close()
                _be_worker(work, theirs, mask)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        return cls(pid, ours)

    def fileno(self) -> int:
        """Return what `select` may watch: readable when the worker has said something, or has ended."""
        return self.channel.fileno()

    @property
    def is_ready(self) -> bool:
        """Whether it has begun to serve."""
        return self._said == _READY

    @property
    def error(self) -> SessionExtError | None:
        """Why it could not start; None when it did not say."""
        try:
            said = json.loads(self._said)
        except ValueError:
            return None
        if said["kind"] == ConfigError.__name__:
            return ConfigError(said["path"], said["problem"])
        return (StoreUnavailable if said["kind"] == StoreUnavailable.__name__ else NoWorkerStarts)(said["problem"])

    def age_s(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started_at

    def hear(self) -> bool:
        """Read what it has said; False when it has ended."""
        said = self.channel.recv(65536)
        self._said += said
        if self._owes_hangup and self.is_ready:
            self.hang_up()
        return said != b""

    def hang_up(self) -> None:
        """Pass SIGHUP on, to one that is starting as soon as it serves: it may have read already what it is to read anew."""
        self._owes_hangup = not self.is_ready
        if self.is_ready:
            self.send(signal.SIGHUP)

    def send(self, order: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended, as until it is reaped its number is nobody else's."""
        os.kill(self.pid, order)

    def reap(self) -> str:
        """Return how it ended; once, after it has."""
        self.channel.close()
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _be_worker(work: Work, supervisor: socket.socket, mask: set[int | signal.Signals]) -> NoReturn:
    """Work in a process that was just forked, and end it there: the stack above is the supervisor's."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C comes to every process of a terminal; the supervisor passes it on
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        threading.Thread(target=_stop_without, args=(supervisor,), name="supervisor", daemon=True).start()
        work(lambda: _report(supervisor, _READY))
        status = 0
    except SessionExtError as err:
        path, problem = (err.path, err.problem) if isinstance(err, ConfigError) else ("", str(err))
        _report(supervisor, json.dumps({"kind": type(err).__name__, "path": path, "problem": problem}).encode())
    except Exception:
        logger.exception("worker: unexpected")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _report(supervisor: socket.socket, message: bytes) -> None:
    """Send a message to the supervisor. If it ended while this worker was starting, `_stop_without` stops the worker."""
    with suppress(BrokenPipeError, ConnectionResetError):
        supervisor.sendall(message)


def _stop_without(supervisor: socket.socket) -> None:
    """Stop this worker if its supervisor has ended for any reason: no process would watch it any more."""
    while supervisor.recv(1):
        pass  # the supervisor sends nothing
    os.kill(os.getpid(), signal.SIGTERM)

"""Several processes on one address: a supervisor forks workers, restarts those that die, and forwards signals to them.

The supervisor opens no store and starts no thread, because neither connections nor threads survive a fork; the workers open
them. The supervisor has a pair of sockets with each worker. If one process ends, the other detects it by the closed socket.
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
"""The work of a worker: it calls its argument when it is ready, and returns after SIGTERM."""

_ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 60
"""After the death of a worker that ran at least so long, pauses are short again."""

_GIVE_UP_AFTER = 6
"""The number of consecutive failed starts, while no worker serves, after which the supervisor stops."""

_READY = b"ready"


class NoWorkerStarts(SessionExtError):
    """No worker serves, and new workers fail to start."""


class Supervisor:
    """Keeps `count` processes running on a socket until SIGTERM or SIGINT; forwards SIGHUP to each.

    The first worker starts alone, so that an error is reported once, and secrets, keys and tables are created once.
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
        """Start and supervise the workers until a signal to stop. When this returns or raises, all workers have ended.

        A worker that does not stop within `stop_within_s` is killed.

        Raises: SessionExtError: the error of the first worker's start; `NoWorkerStarts` if it reported none, or if later no
        worker can start.
        """
        is_announced = False
        with ReceivedSignals(*_ORDERS) as signals:
            try:
                while True:
                    self._start_missing(signals)
                    if not self._handle_next_events(signals):
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
                self._handle_failed_start(NoWorkerStarts(f"no further process can be started: {err.strerror}"))

    def _until_next_start_s(self) -> float | None:
        """Return how many seconds no worker must be started; None if no worker is missing."""
        if len(self._workers) == (self._count if self._has_served else 1):
            return None
        return max(0.0, self._next_start_at - time.monotonic())

    def _handle_next_events(self, signals: ReceivedSignals) -> bool:
        """Wait for signals and messages of workers, and handle them; return False after a signal to stop."""
        sources: list[ReceivedSignals | _Worker] = [signals, *self._workers]
        readable = set(select.select(sources, [], [], self._until_next_start_s())[0])
        if signals in readable:
            if signals.wait_for_signal() != signal.SIGHUP:
                return False
            for worker in self._workers:
                worker.forward_hangup()
        for worker in [worker for worker in self._workers if worker in readable]:
            if not worker.receive():
                self._workers.remove(worker)
                self._handle_end(worker)
            elif worker.is_ready:
                self._has_served = True
                self._failed_starts = 0
        return True

    def _handle_end(self, worker: _Worker) -> None:
        how = worker.reap()
        if not worker.is_ready:
            self._handle_failed_start(worker.error or NoWorkerStarts(f"a worker ended while it started ({how})"))
            return
        if worker.age_s() >= _STEADY_AFTER_S:
            self._deaths = 0
        logger.warning("worker %d ended (%s); another is started in %.1f s", worker.pid, how, self._pause_s())

    def _handle_failed_start(self, error: SessionExtError) -> None:
        if not self._has_served:
            raise error
        if not isinstance(error, StoreUnavailable):  # which is temporary; until it ends, responses are 503
            self._failed_starts += 1
        if self._failed_starts >= _GIVE_UP_AFTER and not any(worker.is_ready for worker in self._workers):
            raise NoWorkerStarts(f"no worker serves and none can be started: {error}") from error
        logger.error("a worker cannot start: %s; the next try is in %.1f s", error, self._pause_s())

    def _pause_s(self) -> float:
        """Defer the next start, longer with each further death; return the pause in seconds."""
        pause_s = float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._deaths, 10)))
        self._deaths += 1
        self._next_start_at = time.monotonic() + pause_s
        return pause_s

    def _stop(self) -> None:
        """Stop all workers; they finish their current requests."""
        self._listening.close()  # when the last worker has closed it too, new connections are refused
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
                if not worker.receive():
                    self._workers.remove(worker)
                    worker.reap()


class _Worker:
    """The supervisor's handle of a process that serves or starts."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self._started_at = time.monotonic()
        self._received = b""
        self._must_forward_hangup = False

    @classmethod
    def start(cls, work: Work, others: list[socket.socket], signals: ReceivedSignals) -> _Worker:
        """Fork a worker; the new process never returns from here.

        Raises: OSError: the system allows no further process.
        """
        ours, theirs = socket.socketpair()
        # otherwise the child would handle a signal with the supervisor's handlers
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ORDERS)
        try:
            pid = os.fork()
            if pid == 0:
                signals.restore_defaults()
                for channel in (ours, *others):
                    channel.close()
                _be_worker(work, theirs, mask)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        return cls(pid, ours)

    def fileno(self) -> int:
        """Return the file descriptor for `select`: readable when the worker has sent data or has ended."""
        return self.channel.fileno()

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return self._received == _READY

    @property
    def error(self) -> SessionExtError | None:
        """Why it could not start; None if it reported no error."""
        try:
            report = json.loads(self._received)
        except ValueError:
            return None
        if report["kind"] == ConfigError.__name__:
            return ConfigError(report["path"], report["problem"])
        return (StoreUnavailable if report["kind"] == StoreUnavailable.__name__ else NoWorkerStarts)(report["problem"])

    def age_s(self) -> float:
        """Return the seconds since its start."""
        return time.monotonic() - self._started_at

    def receive(self) -> bool:
        """Read what it has sent; return False if it has ended."""
        data = self.channel.recv(65536)
        self._received += data
        if self._must_forward_hangup and self.is_ready:
            self.forward_hangup()
        return data != b""

    def forward_hangup(self) -> None:
        """Forward SIGHUP; to a starting worker only when it serves, because it may have read its secrets before the change."""
        self._must_forward_hangup = not self.is_ready
        if self.is_ready:
            self.send(signal.SIGHUP)

    def send(self, order: signal.Signals) -> None:
        """Send it a signal; a no-op if it has ended, because its process id is not reused before `reap`."""
        os.kill(self.pid, order)

    def reap(self) -> str:
        """Return how it ended; call it once, after the end."""
        self.channel.close()
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _be_worker(work: Work, supervisor: socket.socket, mask: set[int | signal.Signals]) -> NoReturn:
    """Do the work in a forked process and end the process, because the stack above is the supervisor's."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to every process; the supervisor stops the workers
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        threading.Thread(target=_stop_after, args=(supervisor,), name="supervisor", daemon=True).start()
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
    """Send a message to the supervisor. If it ended while this worker was starting, `_stop_after` stops the worker."""
    with suppress(BrokenPipeError, ConnectionResetError):
        supervisor.sendall(message)


def _stop_after(supervisor: socket.socket) -> None:
    """Stop this worker after any end of its supervisor, because no process would stop it any more."""
    while supervisor.recv(1):
        pass  # the supervisor sends no data
    os.kill(os.getpid(), signal.SIGTERM)

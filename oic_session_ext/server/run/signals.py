"""A queue of received signals, which the main thread handles one after the other."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Self


class ReceivedSignals:
    """Handles signals of this process in its main thread; only one instance may exist at a time.

    A Python handler may run at any point, even while the thread holds a lock that the handler needs. Therefore the handlers
    do nothing, and the interpreter writes each signal into a pipe. A SIGINT that is ignored at the start stays ignored: the
    parent process handles Ctrl-C.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handled = [number for number in numbers if not (number == signal.SIGINT and signal.getsignal(number) == signal.SIG_IGN)]
        for number in self._handled:
            signal.signal(number, _do_nothing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore_defaults()

    def fileno(self) -> int:
        """Return the file descriptor for `select`: readable after a signal."""
        return self._reading

    def wait_for_signal(self) -> int:
        """Wait for a signal and return its number."""
        return os.read(self._reading, 1)[0]

    def queue_signal(self, number: signal.Signals) -> None:
        """Queue a signal as if the process had received it; any thread may call this."""
        os.write(self._writing, bytes([number]))

    def restore_defaults(self) -> None:
        """Restore the default behaviour of every signal."""
        signal.set_wakeup_fd(-1)
        for number in self._handled:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.close(self._reading)
        os.close(self._writing)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing: a handler must exist so that the interpreter writes into the pipe."""

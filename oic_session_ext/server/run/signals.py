"""Signals as a queue: the main thread takes one after the other, whatever it was doing when they came."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Self


class ReceivedSignals:
    """Takes over signals of this process, in its main thread; one at a time may exist.

    A Python handler that did the work itself could come in the middle of anything, under a lock that the work needs. Here handlers do
    nothing, and the interpreter writes each signal into a pipe. A SIGINT that is ignored already stays so: whoever started this process
    keeps Ctrl-C for itself.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._taken = [number for number in numbers if not (number == signal.SIGINT and signal.getsignal(number) == signal.SIG_IGN)]
        for number in self._taken:
            signal.signal(number, _noted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def fileno(self) -> int:
        """Return what `select` may watch: readable when a signal has come."""
        return self._reading

    def take(self) -> int:
        """Wait for a signal and return its number."""
        return os.read(self._reading, 1)[0]

    def put(self, number: signal.Signals) -> None:
        """Queue a signal that nobody sent; any thread may."""
        os.write(self._writing, bytes([number]))

    def give_back(self) -> None:
        """Let every signal do again what it does by default."""
        signal.set_wakeup_fd(-1)
        for number in self._taken:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.close(self._reading)
        os.close(self._writing)


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: that there is a handler makes the interpreter write into the pipe."""

"""The last line of a terminal, drawn again and again below the lines that are printed.

Lines printed meanwhile go where they would go without it (`above_it`): it takes neither stdout nor
stderr from anyone, and has no part in what a file or a pipe gets.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

ERASE = "\r\x1b[2K"
SECONDS = 0.1
"""Shortest time between two drawings."""

_lock = threading.RLock()
_lines: list[TerminalLine] = []


class TerminalLine:
    """One line of text at the foot of a terminal; it never wraps, and is erased at the end.

    text : returns it as it is now.
    """

    def __init__(self, stream: TextIO, text: Callable[[], str]) -> None:
        self._stream, self._text = stream, text
        self._drawn, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="terminal-line", daemon=True)

    def __enter__(self) -> TerminalLine:
        with _lock:
            _lines.append(self)
            self.draw()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with _lock:
            _lines.remove(self)
            self.draw()
            self.erase()
        self._thread.join()

    def draw(self) -> None:
        """Draw the line as it is now."""
        width = columns(self._stream) - 1  # after the last column some terminals begin another line
        self._write(ERASE + self._text()[:width])
        self._drawn = time.monotonic()

    def draw_if_due(self) -> None:
        """Draw the line unless it was drawn just now."""
        if time.monotonic() - self._drawn > SECONDS:
            with _lock:
                if self in _lines:
                    self.draw()

    def erase(self) -> None:
        """Erase the line."""
        self._write(ERASE)

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self.draw_if_due()  # for the seconds that have passed

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return  # the terminal is gone: the work is not


def columns(stream: TextIO) -> int:
    """Return the width of a terminal, 80 where it has none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def terminal() -> TextIO | None:
    """Return stderr if it is a terminal on which a line can be drawn again, else None."""
    stream = sys.stderr
    if stream is None or os.environ.get("TERM") == "dumb":
        return None
    try:
        return stream if stream.isatty() else None
    except ValueError:  # it is closed
        return None


@contextmanager
def above_it() -> Iterator[None]:
    """Print whole lines inside, above the last line of the terminal if there is one now."""
    with _lock:
        for line in _lines:
            line.erase()
        try:
            yield
        finally:
            sys.stdout.flush()
            for line in _lines:
                line.draw()

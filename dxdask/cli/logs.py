"""The log file of a command: its output, with times, and more than a terminal gets."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from dxdask import __version__
from dxdask.cli import output
from dxdask.cluster.job_record import recorded
from dxdask.cluster.kernel_cache import VARIABLE, are_kernels_compiled, is_temporary, kernel_folder
from dxdask.cluster.terminal_line import above_it
from dxdask.errors import DxdaskError, StoreWriteError, plain

log = logging.getLogger("dxdask")
REFERENCE = "methods after DIALS (2018) Acta Cryst. D74, 85-97 and the papers named in each module"
START = "dxdask"
"""First word of the first line of a command in the log."""
TERMINAL = "terminal"
"""Attribute of the records that a terminal gets as well, beside warnings."""
PROBLEM = "problem"
"""Attribute of the warnings that the store has among the problems of the import."""


@contextmanager
def log_to(
    store: Path,
    command: str,
    *,
    creates: bool = False,
    quiet: bool = False,
    compiles: bool = True,
    lists_problems: bool = False,
) -> Iterator[None]:
    """Write log messages and printed lines to STORE's name + `.log`, beside it; print the start.

    Where that file is the output of the command (`> NAME.log`), the log is STORE + `.log`.

    creates: the command makes the store. quiet: print nothing (the output is JSON).
    compiles: the command runs kernels, which are compiled if they have not been.
    lists_problems: the command prints those of the import as it ends; warnings of the same lines
    are printed only if it fails before.

    Raises
    ------
    StoreWriteError
        The file, or the folder it is to be in, cannot be written.
    """
    file = _handler(store.absolute(), creates=creates)
    terminal = _TerminalHandler(holds_problems=lists_problems and not quiet)
    handlers = file, terminal
    for handler in handlers:
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with output.muted(quiet), _record(store.absolute(), command, file):
            output.line(f"{START} {__version__} {command}")
            log.info("%s", REFERENCE)
            if compiles:
                _announce_compilation()
            yield
    except BaseException as error:
        terminal.print_held()
        expected = isinstance(error, (DxdaskError, OSError, KeyboardInterrupt))
        log.error("%s", plain(error), exc_info=not expected)
        raise
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _record(store: Path, command: str, file: logging.Handler) -> AbstractContextManager[None]:
    """Return the record of this job, which `dxdask follow` and the viewer read."""
    if isinstance(file, logging.FileHandler):
        return recorded(store, command, Path(file.baseFilename))
    return nullcontext()


class _TerminalHandler(logging.Handler):
    """Prints warnings on stderr, and records marked for it on stdout.

    holds_problems : warnings marked as problems of the import wait for `print_held`.
    """

    def __init__(self, *, holds_problems: bool) -> None:
        super().__init__()
        self._holds_problems = holds_problems
        self._held: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            if self._holds_problems and getattr(record, PROBLEM, False):
                self._held.append(record)
                return
            with above_it():
                sys.stderr.write(f"dxdask: warning: {record.getMessage()}\n")
        elif getattr(record, TERMINAL, False):
            output.on_terminal(record.getMessage())

    def print_held(self) -> None:
        """Print the warnings that were held."""
        self._holds_problems = False
        held, self._held = self._held, []
        for record in held:
            self.emit(record)


def _announce_compilation() -> None:
    if is_temporary():
        output.line(
            f"compiled kernels are kept in {kernel_folder()}, as no other folder can be written; "
            f"set {VARIABLE} to one of your own"
        )
    if not are_kernels_compiled():
        output.line("compiling kernels, once after an installation: about a minute longer")


def _handler(store: Path, *, creates: bool) -> logging.Handler:
    if not creates and not store.exists():
        return logging.NullHandler()  # the command reports it, and leaves no file behind
    path = store.with_suffix(".log")
    if _is_output(path):
        path = store.with_name(f"{store.name}.log")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {path}: {error.strerror}; check the folder, or work in another one"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _is_output(path: Path) -> bool:
    """Return True for the file that stdout or stderr is redirected to."""
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None and os.path.samestat(path.stat(), os.fstat(stream.fileno())):
                return True
        except (OSError, ValueError):  # there is no such file, or the stream has none
            continue
    return False

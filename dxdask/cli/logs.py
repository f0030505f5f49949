"""The log file of a command: its output, with times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxdask import __version__
from dxdask.cli import output
from dxdask.errors import StoreWriteError, plain

log = logging.getLogger("dxdask")
REFERENCE = "methods after DIALS (2018) Acta Cryst. D74, 85-97 and the papers named in each module"


@contextmanager
def log_to(
    store: Path, command: str, *, creates: bool = False, quiet: bool = False
) -> Iterator[None]:
    """Write log messages and printed lines to STORE's name + `.log`, beside it; print the start.

    creates: the command makes the store. quiet: print nothing (the output is JSON).

    Raises
    ------
    StoreWriteError
        The file, or the folder it is to be in, cannot be written.
    """
    handler = _handler(store.absolute(), creates=creates)
    warnings = _warnings()
    log.addHandler(handler)
    log.addHandler(warnings)
    log.setLevel(logging.INFO)
    try:
        with output.muted(quiet):
            output.line(f"dxdask {__version__} {command}; {REFERENCE}")
            yield
    except BaseException as error:
        log.error("%s", plain(error))
        raise
    finally:
        log.removeHandler(warnings)
        log.removeHandler(handler)
        handler.close()


def _warnings() -> logging.Handler:
    """Return the handler that prints warnings on stderr at once, before a step fails by them."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: record.levelno == logging.WARNING)  # errors end the command
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    return handler


def _handler(store: Path, *, creates: bool) -> logging.Handler:
    if not creates and not store.exists():
        return logging.NullHandler()  # the command reports it, and leaves no file behind
    path = store.with_suffix(".log")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {path}: {error.strerror}; check the folder, or work in another one"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler

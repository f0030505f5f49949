"""The log file of a command: what it prints, and when."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxdask import __version__
from dxdask.cli import output

log = logging.getLogger("dxdask")
REFERENCE = "methods after DIALS (2018) Acta Cryst. D74, 85-97 and the papers named in each module"


@contextmanager
def log_to(store: Path, command: str, *, quiet: bool = False) -> Iterator[None]:
    """Write what is logged and printed to STORE's name + `.log`, beside it, and print the start.

    quiet: print nothing (the output is JSON).
    """
    store.absolute().parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(store.absolute().with_suffix(".log"), delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with output.muted(quiet):
            output.line(f"dxdask {__version__} {command}; {REFERENCE}")
            yield
    finally:
        log.removeHandler(handler)
        handler.close()

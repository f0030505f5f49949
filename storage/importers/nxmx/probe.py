"""A first reading of HDF5 files in a process of its own: libhdf5 may crash on damaged bytes."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from functools import lru_cache
from pathlib import Path

from dxdask.errors import FormatError

_LONGEST = 120.0  # s
_MOST_KEPT = 4096


def require_readable(path: Path) -> None:
    """Check that the headers of a file can be read without a crash or an endless loop.

    Done once for each state of a file, and only where this process may be forked: not on Windows,
    and not beside other threads, as those of a cluster.

    Raises
    ------
    FormatError
        Reading it ends a process, or does not end.
    """
    if hasattr(os, "fork") and threading.active_count() == 1 and path.is_file():
        status = path.stat()
        fault = _fault(str(path), status.st_size, status.st_mtime_ns)
        if fault:
            raise FormatError(f"{path} is damaged: HDF5 {fault}; fetch the file again")


@lru_cache(maxsize=_MOST_KEPT)
def _fault(path: str, _size: int, _time: int) -> str:
    child = os.fork()
    if child == 0:
        _read_and_exit(Path(path))
    started = time.monotonic()
    wait = 0.001
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "crashes on it" if os.WIFSIGNALED(status) else ""
        if time.monotonic() - started > _LONGEST:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"has not read its headers within {_LONGEST:g} s"
        time.sleep(wait)
        wait = min(2.0 * wait, 0.05)


def _read_and_exit(path: Path) -> None:
    """Read what an import reads before the frames, in silence; errors come again in the parent."""
    from dxdask.storage.importers.nxmx.experiment import has_nxmx_groups, read_nxmx

    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        with contextlib.suppress(BaseException):
            if has_nxmx_groups(path):
                for run in read_nxmx(path, "probe"):
                    run.locate()
    finally:
        os._exit(0)

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

CPU_LIMIT = 30  # s, of the headers of one file; waiting for a slow disk is not counted
_LONGEST = 600.0  # s, with waiting
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
    status = _ended(child)
    if not os.WIFSIGNALED(status):
        return ""
    ended = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
    return f"needs more than {CPU_LIMIT} s for its headers" if ended else "crashes on it"


def _ended(child: int) -> int:
    """Return the status that a process ended with; it is killed if it takes too long."""
    started, pause = time.monotonic(), 0.001
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() - started > _LONGEST:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(pause)
        pause = min(2.0 * pause, 0.05)


def _read_and_exit(path: Path) -> None:
    """Read what an import reads before the frames, in silence; errors come again in the parent."""
    import resource  # not on Windows

    from dxdask.storage.importers.nxmx.experiment import has_nxmx_groups, read_nxmx

    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        with contextlib.suppress(BaseException):
            if has_nxmx_groups(path):
                for run in read_nxmx(path, "probe"):
                    run.locate()
    finally:
        os._exit(0)

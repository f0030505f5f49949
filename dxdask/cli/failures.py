"""Errors that end a command, in one line: what went wrong, where, and what to do."""

from __future__ import annotations

import errno

from dxdask.cluster.kernel_cache import VARIABLE
from dxdask.errors import ConvergenceError, DxdaskError, plain

_ADVICE = {
    errno.EACCES: "check the rights of the file and of its folder",
    errno.EPERM: "check the rights of the file and of its folder",
    errno.EROFS: "write to another disk",
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EFBIG: "write to another disk",
    errno.ENOENT: "check the name, and whether the disk is mounted",
    errno.ENOTDIR: "check the name",
    errno.EISDIR: "give the name of a file",
    errno.EMFILE: "allow more open files (ulimit -n), or use fewer cluster.cores",
    errno.ENOMEM: "give the command more memory, or use fewer cluster.cores",
    errno.EIO: "the disk or its connection fails; try again, or copy the files elsewhere",
    errno.ESTALE: "the disk was mounted again; try again",
}
_NOT_CACHED = "cannot cache function"


def explain(error: Exception) -> str:
    """Return the line that explains an error to the user, or lines: one for each likely cause."""
    if isinstance(error, ConvergenceError):
        return "\n  ".join(" ".join(line.split()) for line in str(error).splitlines())
    if isinstance(error, DxdaskError):
        return plain(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return "the memory is too small; use fewer cluster.cores, or fewer images a block"
    text = " ".join(str(error).split())
    if isinstance(error, RuntimeError) and _NOT_CACHED in text:
        return (
            "no folder for compiled kernels can be written; set the environment variable "
            f"{VARIABLE} to one that can"
        )
    return (
        f"internal error, {type(error).__name__}: {text}; the log beside the store has the "
        "traceback, and so has the same command with DXDASK_TRACEBACK=1: please report it"
    )


def _of_system(error: OSError) -> str:
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    text = error.strerror or " ".join(str(error).split()) or type(error).__name__
    advice = _ADVICE.get(error.errno or 0, "check the file and the disk it is on")
    return " ".join(f"{': '.join([*names[:1], text])}; {advice}".split())

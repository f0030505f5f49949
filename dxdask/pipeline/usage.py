"""Time and memory that a step takes, as the operating system accounts for them."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a process had used at a time.

    Attributes
    ----------
    at : seconds since 1970. cpu : CPU seconds of the process with all its threads.
    peak_memory : bytes. process : that it is of.
    """

    at: float
    cpu: float
    peak_memory: int
    process: str


def usage() -> Usage:
    """Return what this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(
        at=time.time(),
        cpu=used.ru_utime + used.ru_stime,
        peak_memory=used.ru_maxrss * 1024,  # Linux counts kB
        process=f"{os.uname().nodename}:{os.getpid()}",
    )


def seconds_between(start: Usage, end: Usage, command: Usage) -> dict[str, float]:
    """Return wall seconds and, where all ran on threads of one process, CPU seconds.

    command : of the process that the command was given to; on workers, which compute for several
    steps at once, CPU seconds of a step are not known.
    """
    found = {"wall": max(0.0, end.at - start.at)}
    if start.process == end.process == command.process:
        found["cpu"] = max(0.0, end.cpu - start.cpu)
    return found

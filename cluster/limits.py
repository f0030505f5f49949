"""Cores and memory that this process may use, and the check that tasks fit a worker."""

from __future__ import annotations

from pathlib import Path

import psutil
from dask.system import cpu_count
from dask.utils import format_bytes, parse_bytes

from dxdask.cluster.parameters import HERE
from dxdask.errors import MemoryBudgetError, ParameterError


def available_cores() -> int:
    """Return the cores this process may use, by affinity and control group."""
    return max(1, int(cpu_count()))


def available_memory() -> int:
    """Return the bytes this process may use: of the machine, its control group and its limits."""
    limits = [psutil.virtual_memory().total]
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            limits += _group_limits(controllers, path)
    return min(limits)


def _group_limits(controllers: str, path: str, root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """Return the limits (bytes) of a control group and of those that contain it.

    A batch system sets the limit of a job in a group of its own, deep below the root.
    """
    folder, name = (
        (root, "memory.max") if not controllers else (root / "memory", "memory.limit_in_bytes")
    )
    found = []
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts) + 1):
        try:
            text = folder.joinpath(*parts[:depth], name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) > 0:
            found.append(int(text))
    return found


def memory_in_bytes(text: str) -> int:
    """Return bytes for a text such as 16GB.

    Raises
    ------
    ParameterError
        The text is no amount of memory, or not positive.
    """
    try:
        value = int(parse_bytes(text))
    except ValueError:
        value = 0
    if value <= 0:
        raise ParameterError(f"cluster.memory={text} is no amount of memory: write 16GB")
    return value


def require_memory(
    label: str, task_bytes: int, *, kind: str, threads: int, worker_bytes: int
) -> None:
    """Raise where tasks of so many bytes each do not fit a worker, before any is computed.

    kind : of the cluster. threads, worker_bytes : of one worker.

    Raises
    ------
    MemoryBudgetError
        As many tasks as a worker has threads need more than 70 % of its memory, where Dask
        begins to pause.
    """
    usable = 0.7 * worker_bytes
    if task_bytes * threads <= usable:
        return
    advice = ["fewer images a block (images_per_chunk of the import)"]
    fitting = int(usable // task_bytes)
    if fitting and kind != "address":
        advice.append(f"fewer cluster.cores ({fitting} a worker)")
    if kind not in HERE:
        advice.append("workers with more memory" if kind == "address" else "more cluster.memory")
    raise MemoryBudgetError(
        f"{label}: a task needs {format_bytes(task_bytes)} and {threads} run at a time in "
        f"{format_bytes(worker_bytes)}: give {', or '.join(advice)}"
    )

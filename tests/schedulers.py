"""A scheduler and two workers as processes of their own, as others would have started them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ensemble_example import ENVIRONMENT


@dataclass
class Scheduler:
    """What runs: its address, and the workers' processes."""

    address: str
    workers: list[subprocess.Popen[bytes]]


def _start(*words: str, log: Path, folder: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        command = [sys.executable, "-m", *words]
        return subprocess.Popen(command, stdout=file, stderr=file, cwd=folder, env=ENVIRONMENT)


def _address(log: Path) -> str:
    for _ in range(600):
        found = re.search(r"tcp://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found.group()
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


@contextmanager
def running_scheduler(folder: Path, n_workers: int = 2) -> Iterator[Scheduler]:
    """Start them, and end them."""
    folder.mkdir()
    log = folder / "scheduler.log"
    common = ("--host", "127.0.0.1", "--no-dashboard")
    words = ("distributed.cli.dask_scheduler", *common, "--port", "0")
    processes = [_start(*words, log=log, folder=folder)]
    try:
        address = _address(log)
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        words = ("distributed.cli.dask_worker", address, *common, *options)
        logs = [folder / f"worker{i}.log" for i in range(n_workers)]
        processes += [_start(*words, log=log, folder=folder) for log in logs]
        yield Scheduler(address, processes[1:])
    finally:
        for process in processes[::-1]:
            process.terminate()
            process.wait(timeout=30)

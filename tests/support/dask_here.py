"""A Dask scheduler and its workers, started as a user would start them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

N_WORKERS = 2


@contextmanager
def running_scheduler(
    folder: Path, current: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the address of a scheduler with two workers of one thread each; end them afterwards.

    folder : for logs and what workers spill. current, environment : of the workers.
    """

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as file:
            command = [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]]
            return subprocess.Popen(command, stdout=file, stderr=file, cwd=current, env=environment)

    common = ("--host", "127.0.0.1", "--no-dashboard")
    processes = [start("scheduler", "dask_scheduler", *common, "--port", "0")]
    try:
        address = _address(folder / "scheduler.log")
        own = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        names = [f"worker{i}" for i in range(N_WORKERS)]
        processes += [start(name, "dask_worker", address, *common, *own) for name in names]
        yield address
    finally:
        for process in processes[::-1]:
            process.terminate()
            process.wait(timeout=30)


def _address(log: Path) -> str:
    for _ in range(200):
        found = re.search(r"tcp://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found.group()
        time.sleep(0.1)
    pytest.fail(log.read_text())

"""A scheduler and two workers as processes of their own, as others would have started them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distributed import Client
from support.ensemble_example import ENVIRONMENT


@dataclass
class Scheduler:
    """A running scheduler: its address, and the workers' processes."""

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


@contextmanager
def worker_killed(address: str, task: str) -> Iterator[list[str]]:
    """Kill the first of two workers that processes a task whose key contains `task`; name it."""
    killed: list[str] = []
    over = threading.Event()

    def kill() -> None:
        with Client(address, set_as_default=False) as client:
            pids = client.run(os.getpid)
            while not over.is_set():
                for worker, keys in client.processing().items():
                    if any(task in str(key) for key in keys):
                        os.kill(pids[worker], signal.SIGKILL)
                        killed.append(worker)
                        return
                time.sleep(0.005)

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2)
    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join(timeout=10)

"""Records of running jobs: a small file beside the log of a store, renewed while a job runs.

Whoever sees the folder (a viewer, `dxdask follow`) reads from it what runs, how far it is, and
where its log is, also from another machine.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

RENEW_SECONDS = 1.0
STALE_SECONDS = 60.0
"""A record of another machine that is not renewed for so long is of a job that was killed."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A running job.

    Attributes
    ----------
    command : of dxdask. host, pid : where it runs. log : path of its log. started : time.
    label : the computation that runs now, "" before the first. begun : its time.
    done, total : its tasks. doing : counts so far, and the names of the tasks that run now.
    """

    command: str
    host: str
    pid: int
    log: str
    started: float
    label: str = ""
    begun: float = 0.0
    done: int = 0
    total: int = 0
    doing: str = ""

    def seconds(self, now: float) -> float:
        """Return how long it has been running."""
        return max(0.0, now - self.started)

    def rate(self, now: float) -> float | None:
        """Return tasks a second, None before the first is done."""
        return self.done / max(now - self.begun, 1e-3) if self.done else None

    def left(self, now: float) -> float | None:
        """Return seconds that are left at this rate, None where it is not known."""
        rate = self.rate(now)
        return None if not rate or not self.total else max(0, self.total - self.done) / rate

    def text(self, now: float) -> str:
        """Return its progress in one line."""
        if not self.label:
            return f"{self.command} {_clock(self.seconds(now))}"
        left = self.left(now)
        ahead = "" if left is None else f", about {_clock(left)} left"
        counts = f"{self.done}/{self.total} {_clock(now - self.begun)}{ahead}"
        return f"{self.label} {counts} {self.doing}".rstrip()


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class JobRecord:
    """The record of this process, renewed by a thread until it is closed."""

    def __init__(self, store: Path, command: str, log: Path) -> None:
        host, pid = socket.gethostname(), os.getpid()
        self._path = store.with_name(f"{store.stem}.{host}-{pid}.progress")
        self._job = Job(command=command, host=host, pid=pid, log=str(log), started=time.time())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="job-record", daemon=True)

    def update(self, label: str, done: int, total: int, doing: str) -> None:
        """Set the progress of a computation; it is written when the record is renewed."""
        begun = self._job.begun if label == self._job.label else time.time()
        self._job = replace(
            self._job, label=label, begun=begun, done=done, total=total, doing=doing
        )

    def __enter__(self) -> JobRecord:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink()

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            self._write()

    def _write(self) -> None:
        aside = self._path.with_suffix(".progress-new")
        with suppress(OSError):  # a full disk ends the job by itself, with a better message
            aside.write_text(json.dumps(asdict(self._job)), encoding="utf-8")
            aside.replace(self._path)


_records: list[JobRecord] = []


@contextmanager
def recorded(store: Path, command: str, log: Path) -> Iterator[None]:
    """Keep a record of this job in the context, with the progress that `report` is given."""
    for path, job in _found(store):
        if not _is_running(path, job):
            with suppress(OSError):
                path.unlink()
    with JobRecord(store, command, log) as record:
        _records.append(record)
        try:
            yield
        finally:
            _records.remove(record)


def report(label: str, done: int, total: int, doing: str) -> None:
    """Update the record of this process, if there is one, with the progress of a computation."""
    for record in _records:
        record.update(label, done, total, doing)


def running_jobs(store: Path) -> list[Job]:
    """Return the jobs that run on a store, the last one started last."""
    found = [job for path, job in _found(store) if _is_running(path, job)]
    return sorted(found, key=lambda job: job.started)


def _found(store: Path) -> list[tuple[Path, Job]]:
    found = []
    with suppress(OSError):
        for path in store.absolute().parent.iterdir():
            if path.suffix != ".progress" or not path.name.startswith(f"{store.stem}."):
                continue
            with suppress(OSError, ValueError, TypeError):
                found.append((path, Job(**json.loads(path.read_text(encoding="utf-8")))))
    return found


def _is_running(path: Path, job: Job) -> bool:
    if job.host == socket.gethostname():
        try:
            os.kill(job.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it runs, as another user
        return True
    try:
        return time.time() - path.stat().st_mtime < STALE_SECONDS
    except OSError:
        return False

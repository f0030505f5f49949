"""Jobs that run on a store, and the end of their log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dxdask.cluster.job_record import running_jobs
from dxdask.errors import DxdaskError
from dxdask.storage.store.store import Store

LOG_BYTES = 20_000


def progress_of(path: Path, branch: str) -> dict[str, Any]:
    """Return the jobs that run on a store, its steps, and the end of the log.

    Returns
    -------
    dict
        jobs : command, text, done, total, rate (tasks a second), seconds, left (s) of each.
        log : its last lines, of the job started last, else of the jobs before. steps : id of each
        step that is complete. runs : number of complete runs.
    """
    now, jobs = time.time(), running_jobs(path)
    log = Path(jobs[-1].log) if jobs else path.absolute().with_suffix(".log")
    steps, runs = _contents(path, branch)
    return {
        "jobs": [
            {
                "command": job.command,
                "text": job.text(now),
                "done": job.done,
                "total": job.total,
                "rate": job.rate(now),
                "seconds": job.seconds(now),
                "left": job.left(now),
            }
            for job in jobs
        ],
        "log": log_end(log),
        "steps": steps,
        "runs": runs,
    }


def _contents(path: Path, branch: str) -> tuple[dict[str, str], int]:
    try:
        store = Store.open(path, mode="r", branch=branch)
        names = list(store.show()["steps"])
        return {n: str(store.step_attributes(n)["id"]) for n in names}, len(store.runs)
    except DxdaskError:  # a step that is being replaced: the next time it is there
        return {}, -1


def log_end(log: Path) -> list[str]:
    """Return the last lines of a log; none where there is no log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            lines = file.read(LOG_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return lines[1:] if size > LOG_BYTES else lines

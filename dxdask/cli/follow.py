"""`dxdask follow`: the log of a running job in a terminal, until the job ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.logs import START
from dxdask.cli.options import Arguments
from dxdask.cluster.job_record import Job, running_jobs
from dxdask.cluster.terminal_line import TerminalLine, terminal
from dxdask.errors import InputError

POLL_SECONDS = 0.3
MARK = f" INFO {START} ".encode()


@app.command()
def follow(given: Arguments = None) -> None:
    """Print the log of the job that runs on a store, until it ends: dxdask follow STORE."""
    paths, texts = arguments.split(given or [])
    arguments.need(paths and not texts, "follow", "a store")
    store = Path(arguments.one_store(paths, "follow")).absolute()
    jobs = running_jobs(store)
    if not jobs:
        log = store.with_suffix(".log")
        last = f"; the log of those before is {log}" if log.exists() else ""
        raise InputError(f"no job is running on {store}{last}")
    follow_job(store, jobs[-1])


def follow_job(store: Path, job: Job) -> None:
    """Print the log of a job from its start, and its progress below, until it ends.

    Raises
    ------
    InputError
        Its log cannot be read.
    """
    if not os.access(job.log, os.R_OK):
        raise InputError(
            f"{job.command} runs on {job.host}, but its log {job.log} cannot be read here"
        )
    now = job

    def text() -> str:
        return now.text(time.time())

    with Path(job.log).open("rb") as file:
        _to_last_start(file)
        where = terminal()
        if where is None:
            _print_until_end(file, store, job, lambda found: None)
            return
        with TerminalLine(where, text) as line:

            def show(found: Job) -> None:
                nonlocal now
                now = found
                line.draw_if_due()

            _print_until_end(file, store, job, show)


def _to_last_start(file: BinaryIO) -> None:
    """Go to the line at which the last command in a log began."""
    place = 0
    while line := file.readline():
        if MARK in line:
            place = file.tell() - len(line)
    file.seek(place)


def _print_until_end(file: BinaryIO, store: Path, job: Job, show: Callable[[Job], None]) -> None:
    partial = b""
    running: Job | None = job
    while running is not None:
        running = next((j for j in running_jobs(store) if _same(j, job)), None)
        if running is not None:
            show(running)
        # what was written before it was seen to have ended is read once more
        while text := file.readline():
            partial += text
            if partial.endswith(b"\n"):
                output.on_terminal(_decoded(partial))
                partial = b""
        if running is not None:
            time.sleep(POLL_SECONDS)
    if partial:
        output.on_terminal(_decoded(partial))


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\n")


def _same(a: Job, b: Job) -> bool:
    return (a.host, a.pid, a.started) == (b.host, b.pid, b.started)

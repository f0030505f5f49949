"""The command `dxdask`: exit status 0 done, 1 the data could not be processed, 2 wrong usage."""

from __future__ import annotations

import atexit
import gc
import io
import logging
import os
import sys

import typer

from dxdask.cli import (  # noqa: F401  each registers itself when imported
    cluster,
    commands,
    compare,
    demo,
    dump,
    experiments,
    export,
    follow,
    metrology,
    report,
    show,
    simulate,
    stills,
    view,
    why,
)
from dxdask.cli.app import app
from dxdask.cli.failures import explain
from dxdask.cli.help_groups import name_of
from dxdask.cli.unknown_commands import unknown_command
from dxdask.errors import ParameterError

INTERRUPTED = 130
STOPPED = "stopped; what was complete is in the store, run again to resume"
OBJECTS_BETWEEN_COLLECTIONS = 5_000
TRACEBACK = "DXDASK_TRACEBACK"
"""Environment variable: if it is set, an error ends in its traceback."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    # what modules make is there to stay: at Python's 700, an eighth of a short command goes into
    # looking through it for garbage
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    status = run(sys.argv[1:] if arguments is None else arguments)
    colours = sys.modules.get("colorama.initialise")  # of numba, which colours its own errors
    if colours is not None:
        # or a terminal gets an escape sequence as its last line
        atexit.unregister(colours.reset_all)
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    _replace_what_cannot_be_encoded()
    # a log on a full disk is lost; the error that follows is reported once
    logging.raiseExceptions = False
    commands.add_steps()
    application = typer.main.get_command(app)
    known = {name_of(c) for c in app.registered_commands}
    known |= {name_of(c) for c in app.registered_groups}
    if arguments and not arguments[0].startswith("-") and arguments[0] not in known:
        sys.stderr.write(f"dxdask: {unknown_command(arguments[0], sorted(known))}\n")
        return 2
    try:
        application.main(args=arguments, prog_name="dxdask")
    except SystemExit as end:  # so typer ends, also after it has explained a wrong usage
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if status == INTERRUPTED:
            sys.stderr.write(f"dxdask: {STOPPED}\n")
        return status
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        sys.stderr.write(f"dxdask: {explain(error)}\n")
        return 2 if isinstance(error, ParameterError) else 1
    return 0


def _replace_what_cannot_be_encoded() -> None:
    """Have a terminal without Unicode show a question mark for a sigma, and not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

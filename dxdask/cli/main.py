"""The command `dxdask`: exit status 0 done, 1 the data could not be processed, 2 wrong usage."""

from __future__ import annotations

import sys

import typer

from dxdask.cli import commands, dump, export, metrology, show, simulate, stills
from dxdask.cli.app import app
from dxdask.errors import DxdaskError, ParameterError, plain

INTERRUPTED = 130
STOPPED = "stopped; what was complete is in the store, run again to resume"
# each registers itself when imported
COMMANDS = (commands, dump, export, metrology, show, simulate, stills)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    commands.add_steps()
    application = typer.main.get_command(app)
    try:
        application.main(args=arguments, prog_name="dxdask")
    except ParameterError as error:
        return _fail(error, 2)
    except DxdaskError as error:
        return _fail(error, 1)
    except SystemExit as end:  # so typer ends, also after it has explained a wrong usage
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if status == INTERRUPTED:
            sys.stderr.write(f"dxdask: {STOPPED}\n")
        return status
    return 0


def _fail(error: DxdaskError, status: int) -> int:
    sys.stderr.write(f"dxdask: {plain(error)}\n")
    return status

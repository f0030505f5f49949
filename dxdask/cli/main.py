"""The command `dxdask`: exit status 0 done, 1 the data could not be processed, 2 wrong usage."""

from __future__ import annotations

import sys

import click
import typer

from dxdask.cli import commands, export, show, simulate
from dxdask.errors import DxdaskError, ParameterError, plain

COMMANDS = (commands, export, show, simulate)  # each registers itself when imported


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    application = typer.main.get_command(commands.app)
    try:
        status = application.main(args=arguments, prog_name="dxdask", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except ParameterError as error:
        return _fail(error, 2)
    except DxdaskError as error:
        return _fail(error, 1)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("dxdask: stopped; what was complete is in the store, run again to go on\n")
        return 130
    except BrokenPipeError:
        return 0
    return int(status or 0)


def _fail(error: DxdaskError, status: int) -> int:
    sys.stderr.write(f"dxdask: {plain(error)}\n")
    return status

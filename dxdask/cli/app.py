"""The application, and how commands that take parameters are added to it.

All of them read their words and files alike, and print their parameters with `-c`; only then
is the work itself imported. What they take is named by where it is, `package.module:name`, so that
`dxdask --help` and `dxdask show` need no numba.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

from dxdask import __version__
from dxdask.cli import arguments, output
from dxdask.cli.logs import log_to
from dxdask.cli.options import Arguments, Config, Expert, File, Json, Output

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

_Version = Annotated[
    bool, typer.Option("--version", help="print the version, and stop", is_eager=True)
]
Out = TypeVar("Out", bound=Path | None)
OnStore = Callable[[list[str], Any, bool], None]
MakingStore = Callable[[list[str], Out, Any, bool], None]
AfterStep = Callable[["Store", Any], None]
AFTER: dict[str, list[AfterStep]] = {}

app = typer.Typer(
    name="dxdask",
    help="X-ray diffraction frames to merged intensities, on Dask and zarr.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def version(context: typer.Context, version: _Version = False) -> None:
    """X-ray diffraction frames to merged intensities, on Dask and zarr."""
    if version:
        output.on_terminal(f"dxdask {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def on_store(
    name: str, model: str, groups: Collection[str] | None = None, *, title: str | None = None
) -> Callable[[OnStore], OnStore]:
    """Add a function as a command; it takes paths, parameters and True to print JSON.

    model : where its parameters are. groups : those of them that it takes, default: all.
    title : its help, default: its docstring.
    """

    def add(work: OnStore) -> OnStore:
        @app.command(name, help=title or work.__doc__)
        def command(
            given: Arguments = None,
            config: Config = False,
            expert: Expert = 0,
            file: File = None,
            json: Json = False,
        ) -> None:
            paths, parameters = read_given(model, given, file, groups)
            if config:
                return output.configuration(parameters, expert, groups)
            return work(paths, parameters, json)

        return work

    return add


def making_store(
    name: str, model: str, default: Out
) -> Callable[[MakingStore[Out]], MakingStore[Out]]:
    """Add a function as `on_store` does; it also takes, after the paths, the store to make.

    default : that store if none is given.
    """

    def add(work: MakingStore[Out]) -> MakingStore[Out]:
        @app.command(name, help=work.__doc__)
        def command(
            given: Arguments = None,
            out: Output = default,
            config: Config = False,
            expert: Expert = 0,
            file: File = None,
            json: Json = False,
        ) -> None:
            paths, parameters = read_given(model, given, file)
            if config:
                return output.configuration(parameters, expert)
            return work(paths, cast(Out, out), parameters, json)

        return work

    return add


def add_step(name: str, title: str) -> None:
    """Add the command that runs one step of a store."""

    @app.command(name, help=title)
    def command(
        given: Arguments = None,
        config: Config = False,
        expert: Expert = 0,
        file: File = None,
        json: Json = False,
    ) -> None:
        from dxdask.pipeline.step_parameters import step_parameters
        from dxdask.pipeline.steps import canonical

        paths, texts = arguments.split(given or [])
        default, groups = step_parameters(name, paths[0] if paths else None)
        parameters = arguments.read_parameters(lambda: default, file, texts, groups)
        if config:
            return output.configuration(parameters, expert, groups)
        from dxdask.pipeline.step import run_step

        path = arguments.one_store(paths, name)
        with log_to(Path(path), name, quiet=json):
            output.changed_parameters(parameters)
            reports = output.Reports(Path(path), parameters.branch)
            store = run_step(path, name, parameters, reports, output.wrote)
            for work in AFTER.get(name, ()):
                work(store, parameters)
        if json:
            output.as_json(store.show(canonical(name)))
        return None


def after(name: str) -> Callable[[AfterStep], AfterStep]:
    """Add a function to the command of a step; it is called when the step is complete."""

    def add(work: AfterStep) -> AfterStep:
        AFTER.setdefault(name, []).append(work)
        return work

    return add


def read_given(
    model: str, given: list[str] | None, file: Path | None, groups: Collection[str] | None = None
) -> tuple[list[str], Any]:
    """Return the paths, and the parameters of a model, that a command is given."""
    paths, texts = arguments.split(given or [])
    return paths, arguments.read_parameters(resolve_name(model), file, texts, groups)

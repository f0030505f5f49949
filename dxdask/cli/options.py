"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dxdask.cli.names import expanded


def at_home(path: Path | None) -> Path | None:
    """Return a path with a leading `~` as the home folder."""
    return None if path is None else Path(expanded(str(path)))


Arguments = Annotated[
    list[str] | None,
    typer.Argument(help="files (patterns, lists .lst, - for a list at stdin) or a store, and "
                        "NAME=VALUE ..."),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="the store to make, NAME.zarr", callback=at_home),
]
Directory = Annotated[
    Path, typer.Option("-o", "--output", help="the folder to make", callback=at_home)
]
Config = Annotated[bool, typer.Option("-c", "--show-config", help="print all parameters, and stop")]
Expert = Annotated[int, typer.Option("-e", "--expert-level", help="with -c: also expert ones")]
File = Annotated[
    Path | None,
    typer.Option("-p", "--parameters", help="a YAML or TOML file of parameters", callback=at_home),
]
Json = Annotated[bool, typer.Option("--json", help="print the tables as JSON instead")]
Formats = Annotated[bool, typer.Option("--formats", help="list the registered formats, and stop")]

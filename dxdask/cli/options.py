"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Arguments = Annotated[list[str] | None, typer.Argument(help="files or a store, and NAME=VALUE ...")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="the store to make, NAME.zarr")]
Directory = Annotated[Path, typer.Option("-o", "--output", help="the folder to make")]
Config = Annotated[bool, typer.Option("-c", "--show-config", help="print all parameters, and stop")]
Expert = Annotated[int, typer.Option("-e", "--expert-level", help="with -c: also expert ones")]
File = Annotated[
    Path | None, typer.Option("-p", "--parameters", help="a YAML or TOML file of parameters")
]
Json = Annotated[bool, typer.Option("--json", help="print the tables as JSON instead")]

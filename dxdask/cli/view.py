"""`dxdask view`: frames and results of a store in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dxdask.cli import arguments, output
from dxdask.cli.app import on_store

if TYPE_CHECKING:
    from dxdask.view.parameters import ViewParameters


@on_store("view", "dxdask.view.parameters:ViewParameters")
def view(paths: list[str], parameters: ViewParameters, json: bool) -> None:
    """Show frames, spots, predictions and masks of a store in a browser, until Ctrl-C."""
    import asyncio

    from dxdask.view.server import serve

    def started(address: str) -> None:
        if json:
            output.as_json({"address": address})
        else:
            output.line(f"Open {address} in a browser; Ctrl-C ends the viewer")

    asyncio.run(serve(Path(arguments.one_store(paths, "view")), parameters, started))

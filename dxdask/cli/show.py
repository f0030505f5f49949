"""`dxdask show`: what is in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.options import Arguments, Json
from dxdask.errors import ParameterError, StoreNotFoundError
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


@app.command()
def show(given: Arguments = None, json: Json = False) -> None:
    """Show what is in a store: its runs and steps, or every table of the STEPs named."""
    from dxdask.storage.store.store import Store

    paths, texts = arguments.split(given or [])
    if texts:
        raise ParameterError(f"dxdask show takes a store and steps, not {texts[0]!r}")
    arguments.need(paths, "show", "a store")
    store, steps = Store.open(paths[0], mode="r"), paths[1:]
    for name in steps:
        if not store.has_step(name):
            there = ", ".join(store.show()["steps"]) or "none"
            raise StoreNotFoundError(
                f"{store.path} holds no result of {name}; its steps are: {there}"
            )
    if json:
        return output.as_json(_as_data(store, steps))
    if not steps:
        output.line(repr(store))
        steps = list(store.show()["steps"])
    for name in steps:
        output.step(store, name)
    _problems(store)
    return None


def _as_data(store: Store, steps: list[str]) -> dict[str, Any]:
    if not steps:
        return store.show()
    parts = [store.show(step) for step in steps]
    return {**parts[0], "steps": {k: v for part in parts for k, v in part["steps"].items()}}


def _problems(store: Store) -> None:
    rows = store.show()["problems"]
    if rows:
        output.line()
        output.line(str(Table(name="problems", title="Problems", rows=rows)))

"""`dxdask show`: what is in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.options import Arguments, Json
from dxdask.errors import ParameterError, StoreNotFoundError
from dxdask.parameters import Parameters, parameter
from dxdask.tables import Table

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


@app.command()
def show(given: Arguments = None, json: Json = False) -> None:
    """Show what is in a store: its runs and steps, or every table of the STEPs named."""
    from dxdask.storage.store.store import Store

    paths, texts = arguments.split(given or [])
    arguments.need(paths, "show", "a store")
    unknown = [text for text in texts if not text.startswith("branch=")]
    if unknown:
        raise ParameterError(
            f"dxdask show takes a store and steps, and branch=NAME, not {unknown[0]!r}"
        )
    branch = arguments.read_parameters(ShowParameters, None, texts).branch
    store, steps = Store.open(paths[0], mode="r", branch=branch), paths[1:]
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
        _stale_steps(store)
        steps = list(store.show()["steps"])
    for name in steps:
        output.step(store, name)
    _problems(store)
    return None


class ShowParameters(Parameters):
    """Parameters of `dxdask show`."""

    branch: str = parameter("main", "Branch of the store.")


def _stale_steps(store: Store) -> None:
    """Print the steps that are stale, and the commands that renew them."""
    from dxdask.pipeline.staleness import renewing_commands, stale_steps

    stale = stale_steps(store)
    for name, reason in stale.items():
        output.line(f"  stale: {name} ({reason})")
    if stale:
        output.line(f"  renew: {' && '.join(renewing_commands(store, list(stale), stale))}")


def _as_data(store: Store, steps: list[str]) -> dict[str, Any]:
    from dxdask.pipeline.staleness import stale_steps

    parts = [store.show(step) for step in steps] or [store.show()]
    found = {k: v for part in parts for k, v in part["steps"].items()}
    for name, reason in stale_steps(store).items():
        if name in found:
            found[name]["stale"] = reason
    return {**parts[0], "steps": found}


def _problems(store: Store) -> None:
    rows = store.show()["problems"]
    if rows:
        output.line()
        output.line(str(Table(name="problems", title="Problems", rows=rows)))

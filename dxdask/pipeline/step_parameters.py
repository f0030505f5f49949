"""Parameters of the command of a step, without what runs it."""

from __future__ import annotations

import os
from pathlib import Path

from dxdask.pipeline.declaration import Values
from dxdask.pipeline.parameters import COMMON
from dxdask.pipeline.steps import all_steps, parameters_of_step, step_of


def step_parameters(
    name: str, path: str | os.PathLike[str] | None = None
) -> tuple[Values, tuple[str, ...]]:
    """Return the parameters of a step at default, and the names of the groups that it takes.

    path : of the store it is for, whose runs decide between steps of this name for sweeps and for
        stills; None: for sweeps where there is one.
    """
    named = [s for s in all_steps() if name in (s.name, *s.aliases)]
    step = next((s for s in named if "sweeps" in s.kinds), named[0])
    kind = step.kinds[0]
    if path is not None and Path(path).suffix == ".zarr" and Path(path).exists():
        from dxdask.pipeline.inputs import kind_of_store
        from dxdask.storage.store.store import Store

        kind = kind_of_store(Store.open(path, mode="r")) or kind
        step = step_of(name, kind)
    return parameters_of_step(step, kind)(), (*step.parameters(), *COMMON)

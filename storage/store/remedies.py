"""What renews a damaged part of a store, by where it is."""

from __future__ import annotations

import shlex
from pathlib import Path

from dxdask.storage.store import layout

_ELSEWHERE = "restore it or import again"


def remedy(path: Path | str, *, delete: bool = False, elsewhere: str = _ELSEWHERE) -> str:
    """Return the end of an error on a damaged file or folder: what renews it.

    delete : it is metadata, without which the step, or the run, cannot be opened to be replaced.
    elsewhere : what to say where it is in no result and no run.

    Examples
    --------
    >>> remedy("/data/s.zarr/results/main/integrate/runs/one/d")
    'run it again, with its parameters: dxdask integrate /data/s.zarr force=true'
    >>> remedy("/data/s.zarr/results/fine/scale/zarr.json", delete=True)
    'delete /data/s.zarr/results/fine/scale and run: dxdask scale /data/s.zarr branch=fine'
    >>> remedy("/data/s.zarr/runs/one/mask")
    'delete /data/s.zarr/runs/one and import its files again into this store: results stay'
    """
    parts = Path(path).parts
    roots = [
        i
        for i, part in enumerate(parts[:-1])
        if part.endswith(".zarr") and parts[i + 1] in (layout.RESULTS, layout.RUNS)
    ]
    if not roots:
        return elsewhere
    root, inside = Path(*parts[: roots[0] + 1]), parts[roots[0] + 1 :]
    if inside[0] == layout.RUNS and len(inside) > 1 and inside[1] != layout.METADATA:
        folder = layout.run_path(root, inside[1])
        return f"delete {folder} and import its files again into this store: results stay"
    if inside[0] == layout.RESULTS and len(inside) > 2 and inside[2] != layout.METADATA:
        branch, step = inside[1], inside[2]
        command = f"dxdask {step} {shlex.quote(str(root))}"
        command += "" if branch == layout.MAIN else f" branch={branch}"
        if delete:
            return f"delete {layout.step_path(root, branch, step)} and run: {command}"
        return f"run it again, with its parameters: {command} force=true"
    return elsewhere

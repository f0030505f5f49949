"""Write what a store holds for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dxdask.errors import InputError
from dxdask.parameters import Parameters, parameter
from dxdask.storage.exporters import csv, dials, mtz
from dxdask.storage.exporters.shoeboxes import SHOEBOX_ARRAYS
from dxdask.storage.store import Store

Format = Literal["mtz", "dials", "csv"]


class MtzParameters(Parameters):
    """How an MTZ is written."""

    unmerged: bool = parameter(False, "write the scaled (else integrated) observations, unmerged")


class ExportParameters(Parameters):
    """Parameters of `dxdask export`."""

    format: Format = parameter("mtz", "mtz, dials (.expt and .refl) or csv")
    output: str | None = parameter(None, "file to write; default: the step's name, in this folder")
    step: str | None = parameter(None, "step to write; default: the last one of the format's kind")
    overwrite: bool = parameter(True, "replace a file that is there")
    mtz: MtzParameters = MtzParameters()


def export_store(store: Store, parameters: ExportParameters) -> list[str]:
    """Write one step's result; return the files written.

    Raises
    ------
    StoreNotFoundError
        The step is not in the store.
    InputError
        The file is there and may not be replaced, or the step holds no such thing.
    """
    step = parameters.step or _default_step(store, parameters)
    suffix = {"mtz": ".mtz", "csv": ".csv", "dials": ".expt"}[parameters.format]
    path = Path(parameters.output or f"{step}{suffix}")
    files = [path, path.with_suffix(".refl")] if parameters.format == "dials" else [path]
    there = [str(f) for f in files if f.exists()]
    if there and not parameters.overwrite:
        raise InputError(f"{', '.join(there)} exists; give another output= or overwrite=true")
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    if parameters.format == "csv":
        csv.write_csv(path, store.columns(step))
    elif parameters.format == "dials":
        _write_dials(store, step, path)
    elif parameters.mtz.unmerged:
        mtz.write_unmerged(path, store.columns(step), store.experiments(step))
    else:
        mtz.write_merged(path, store.columns(step), store.experiments(step))
    return [str(f) for f in files]


def _write_dials(store: Store, step: str, path: Path) -> None:
    experiments = store.experiments(step)
    files = {run: store.run_attributes(run)["source"]["files"] for run in experiments.runs}
    dials.write_experiments(path, experiments, frames=files)
    kept = store.step_attributes(step).get("arrays", [])
    arrays = store.arrays(step, [name for name in SHOEBOX_ARRAYS if name in kept])
    dials.write_reflections(path.with_suffix(".refl"), store.columns(step), experiments, arrays)


def _default_step(store: Store, parameters: ExportParameters) -> str:
    kinds: tuple[str, ...]
    if parameters.format == "mtz":
        kinds = ("scale", "integrate") if parameters.mtz.unmerged else ("merge",)
    else:
        kinds = ("scale", "integrate", "refine", "index", "find_spots")
    return next((name for name in kinds if store.has_step(name)), kinds[-1])

"""Runs of several stores, or of other programs' files, in one store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

from dxdask.errors import InputError
from dxdask.pipeline.ensemble import import_runs
from dxdask.pipeline.experiments.carried import Part, place
from dxdask.pipeline.experiments.models import with_references
from dxdask.pipeline.experiments.new_store import completed, require_new
from dxdask.pipeline.experiments.parameters import CombineParameters
from dxdask.pipeline.import_parameters import ImportCommandParameters
from dxdask.storage.store.layout import name_from
from dxdask.storage.store.store import Store

PathLike = str | os.PathLike[str]


def combine_experiments(
    paths: Sequence[PathLike], output: PathLike, parameters: CombineParameters
) -> Store:
    """Return a new store with the runs of all stores and files, and the results that all have.

    Equal models are shared. Scales of data that were scaled apart are left out: scale again.

    Raises
    ------
    InputError
        The name is not NAME.zarr, nothing is given, a store has no runs, or models that are
        replaced differ.
    StoreExistsError
        The output is there and `overwrite` is false.
    """
    places = [Path(path) for path in paths]
    files = [path for path in places if path.suffix != ".zarr"]
    if any(path.resolve() == Path(output).resolve() for path in places):
        raise InputError(f"{output} is one of the stores that are combined; give another name")
    require_new(output, overwrite=parameters.overwrite)
    with TemporaryDirectory(prefix=".combine-", dir=Path(output).absolute().parent) as aside:
        stores = [_opened(path, parameters.branch) for path in places if path.suffix == ".zarr"]
        if files:
            # runs whose names are taken are named after the store, so it is named after the files
            imported = Path(aside) / f"{name_from(files[0].stem)}.zarr"
            stores.append(import_runs(files, imported, ImportCommandParameters()))
        parts = _parts(stores)
        given = parameters.reference_from_experiment
        leave = () if len(stores) == 1 else ("scale",)
        with completed(output, overwrite=parameters.overwrite) as target:
            place(target, parts, lambda models: with_references(models, given), leave=leave)
    return Store.open(output)


def _opened(path: Path, branch: str) -> Store:
    store = Store.open(path, mode="r", branch=branch)
    if not store.runs:
        raise InputError(f"{path} holds no complete run; import frames or results before")
    return store


def _parts(stores: Sequence[Store]) -> list[Part]:
    """Return all runs, those of a name that is taken with the store's name before it."""
    if not stores:
        raise InputError("nothing to combine; give stores (NAME.zarr), or .expt and .refl files")
    parts: list[Part] = []
    for store in stores:
        for run in store.runs:
            taken = {part.name for part in parts}
            stem = name_from(f"{store.path.stem}_{run}")
            others = (f"{stem}_{number}" for number in count(2))
            name = next(n for n in chain((run, stem), others) if n not in taken)
            parts.append(Part(store=store, run=run, name=name))
    return parts

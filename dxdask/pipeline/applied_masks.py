"""Masks that apply_mask takes: of files, and of steps of the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dxdask.arrays import Mask
from dxdask.errors import InputError, ParameterError, StoreNotFoundError
from dxdask.masking import combined
from dxdask.pipeline.declaration import Extras
from dxdask.pipeline.inputs import RunInput
from dxdask.pipeline.steps import all_steps
from dxdask.storage.store import masks
from dxdask.storage.store.store import Store


def masks_to_apply(store: Store, runs: Sequence[RunInput], names: tuple[str, ...] | None) -> Extras:
    """Return the mask (slow, fast) of each run that is to be applied, under the run's name.

    names : of files and of steps; None takes applied masks away.

    Raises
    ------
    ParameterError
        No mask is named.
    InputError, FormatError, StoreNotFoundError
        A file or a step's mask is not there, damaged, or does not fit the frames.
    """
    if names == ():
        raise ParameterError(
            "apply_mask takes masks: give mask=FILE.npy, mask=STEP with a STEP out of "
            f"{', '.join(_makers())}, several of them, "
            "or mask=none to take one away"
        )
    given = [_named(store, name, runs) for name in names or ()]
    found: dict[str, Mask] = {}
    same: dict[str, Mask] = {}  # runs mostly have one mask in common, which is held once
    contents: dict[str, dict[str, Any]] = {}
    for run in runs:
        if not given:
            continue
        mask = combined([m[run.name] for m in given])
        found[run.name] = same.setdefault(masks.digest(mask), mask)
        good = run.imported_mask
        run_id = str(store.run_attributes(run.name)["id"])
        contents[run.name] = {run.name: masks.contents_of_run(run_id, good & mask, good)}
    return Extras(values=found, by_run=contents)


def _named(store: Store, name: str, runs: Sequence[RunInput]) -> dict[str, Mask]:
    """Return the mask of each run in a file, or made by a step of the store."""
    if name in _makers():
        found = {run.name: _of_step(store, name, run.name) for run in runs}
    elif os.path.exists(name):
        found = dict.fromkeys((r.name for r in runs), masks.read_mask(Path(name), "mask"))
    else:
        raise InputError(
            f"mask={name}: no such file, and no step that makes masks (those are "
            f"{', '.join(_makers())})"
        )
    for run in runs:
        masks.check_size(f"mask={name}", found[run.name].shape, run.name, run.shape[1:])
    return found


def _of_step(store: Store, name: str, run: str) -> Mask:
    array, parameters = _makers()[name]
    try:
        return masks.of_step(store.path, name, array, run, store.branch)
    except StoreNotFoundError as error:
        if not parameters or not store.has_step(name):
            raise
        raise StoreNotFoundError(f"{error}; run: dxdask {name} {store.path} {parameters}") from None


def _makers() -> dict[str, tuple[str, str]]:
    """Return the steps that make masks, each with the array and the parameters for that."""
    return {step.name: step.mask for step in all_steps() if step.mask is not None}

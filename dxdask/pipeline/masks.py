"""Masks and maps that a step takes beside its inputs: from files, and from steps of the store.

They are read here, where the user is, and travel to the workers as values. Their content is part
of the step's fingerprint: a step is run again when a file that it read has changed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError, ParameterError, StoreNotFoundError
from dxdask.masking import combined
from dxdask.pipeline.parameters import StepParameters
from dxdask.pipeline.steps import Ensemble
from dxdask.storage.store import masks
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.store import Store

STEP_MASKS = {"generate_mask": "mask", "find_bad_pixels": "mask", "find_spots": "hot_mask"}
"""Steps whose masks can be applied, and the array that holds them."""


def with_contents(
    ensemble: Ensemble, store: Store, names: Collection[str], parameters: StepParameters
) -> Ensemble:
    """Return the ensemble with what these steps are to read beside their inputs.

    Raises
    ------
    InputError, FormatError, StoreNotFoundError
        A file or a step's mask is not there, damaged, or does not fit the frames.
    ParameterError
        `apply_mask` is given nothing to apply.
    """
    if "find_spots" in names:
        ensemble = _with_lookups(ensemble, parameters)
    if "generate_mask" in names:
        models = ensemble.experiments.to_dict()
        content = fingerprint("models", {"models": models, "frames": _shapes(ensemble)}, [], "1")
        ensemble = _add(ensemble, "generate_mask", {"models": content})
    if "apply_mask" in names:
        ensemble = _with_masks_to_apply(ensemble, store, parameters.apply_mask.input.mask)
    return ensemble


def _with_lookups(ensemble: Ensemble, parameters: StepParameters) -> Ensemble:
    """Add the files of `spotfinder.lookup`."""
    lookup, contents = parameters.spotfinder.lookup, {}
    mask: Mask | None = None
    gain_map: NDArray[np.float64] | None = None
    if lookup.mask is not None:
        mask = masks.read_mask(lookup.mask, "lookup.mask")
        contents["lookup.mask"] = masks.digest(mask)
    if lookup.gain_map is not None:
        gain_map = masks.read_gain_map(lookup.gain_map, "lookup.gain_map")
        contents["lookup.gain_map"] = masks.digest(gain_map)
    if not contents:
        return ensemble
    for run, shape in _shapes(ensemble).items():
        for name, values in (("mask", mask), ("gain_map", gain_map)):
            if values is not None:
                what = f"lookup.{name}={getattr(lookup, name)}"
                masks.check_size(what, values.shape, run, shape)
    ensemble = replace(ensemble, lookup_mask=mask, gain_map=gain_map)
    return _add(ensemble, "find_spots", contents)


def _with_masks_to_apply(
    ensemble: Ensemble, store: Store, names: tuple[str, ...] | None
) -> Ensemble:
    """Add the masks to apply; those of imports are the ones to apply them to."""
    if names == ():
        raise ParameterError(
            "apply_mask takes masks: give mask=FILE.npy, mask=STEP with a STEP out of "
            f"{', '.join(STEP_MASKS)}, several of them, or mask=none to take one away"
        )
    imported = {run: store.imported_mask(run) for run in store.runs}
    given = [_named(store, name, ensemble) for name in names or ()]
    found: dict[str, Mask] = {}
    same: dict[str, Mask] = {}  # runs mostly have one mask in common, which is held once
    contents = {}
    for run, good in imported.items():
        if not given:
            continue
        mask = combined([m[run] for m in given])
        found[run] = same.setdefault(masks.digest(mask), mask)
        run_id = str(store.run_attributes(run)["id"])
        contents[run] = masks.contents_of_run(run_id, good & mask, good)
    ensemble = replace(ensemble, masks=imported, to_apply=found)
    return _add(ensemble, masks.APPLIED, contents)


def _named(store: Store, name: str, ensemble: Ensemble) -> dict[str, Mask]:
    """Return the mask of each run in a file, or made by a step of the store."""
    if name in STEP_MASKS:
        array = STEP_MASKS[name]
        found = {run: _of_step(store, name, array, run) for run in store.runs}
    elif os.path.exists(name):
        mask = masks.read_mask(Path(name), "mask")
        found = dict.fromkeys(store.runs, mask)
    else:
        raise InputError(
            f"mask={name}: no such file, and no step that makes masks "
            f"(those are {', '.join(STEP_MASKS)})"
        )
    for run, shape in _shapes(ensemble).items():
        masks.check_size(f"mask={name}", found[run].shape, run, shape)
    return found


def _of_step(store: Store, name: str, array: str, run: str) -> Mask:
    try:
        return masks.of_step(store.path, name, array, run)
    except StoreNotFoundError as error:
        if array != "hot_mask" or not store.has_step(name):
            raise
        raise StoreNotFoundError(
            f"{error}; run: dxdask {name} {store.path} write_hot_mask=true"
        ) from None


def _shapes(ensemble: Ensemble) -> dict[str, tuple[int, int]]:
    """Return the size (slow, fast) of the frames of each run."""
    return {run: (int(f.shape[1]), int(f.shape[2])) for run, f in ensemble.frames.items()}


def _add(ensemble: Ensemble, step: str, contents: Mapping[str, Any]) -> Ensemble:
    return replace(ensemble, contents={**ensemble.contents, step: dict(contents)})

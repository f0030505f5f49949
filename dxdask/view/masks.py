"""Masks of a run by reason, and regions drawn in the page that become masks of the store."""

from __future__ import annotations

import json
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.masking.parameters import ApplyMaskParameters, GenerateMaskParameters
from dxdask.parameters.stored import stored_parameters
from dxdask.pipeline.step_functions import StepFunction
from dxdask.storage.store import masks
from dxdask.storage.store.store import Store

GENERATE, APPLY = "generate_mask", "apply_mask"
SHAPES = {"rectangle", "circle", "polygon", "pixel", "panel"}
RESOLUTION = "resolution"
LARGEST_NUMBER = 1000


class Reason(IntFlag):
    """Why a pixel is masked, bits of one number."""

    IMPORTED = 1
    APPLIED = 2
    PANEL = 4
    BAD_PIXEL = 8


def masks_by_reason(store: Store, run: str) -> NDArray[np.uint8]:
    """Return for each pixel (slow, fast) of a run the bits of `Reason` that mask it.

    Raises
    ------
    StoreNotFoundError
        There is no such run.
    """
    imported = store.imported_mask(run)
    out = np.where(imported, 0, Reason.IMPORTED).astype(np.uint8)
    applied = store.applied_mask(run)
    if applied is not None:
        out[~applied] |= np.uint8(Reason.APPLIED)
    for panel in store.run_experiment(run).detector.panels:
        part = out[panel.slices]
        for x0, y0, x1, y1 in panel.mask:
            part[y0:y1, x0:x1] |= np.uint8(Reason.PANEL)
    if store.has_step("find_spots") and run in store.manifest("find_spots").runs:
        try:
            bad = masks.of_step(store.path, "find_spots", "bad_pixel_mask", run, store.branch)
        except StoreNotFoundError:  # of stills, or spots of another program
            return out
        if bad.shape == out.shape:
            out[~bad] |= np.uint8(Reason.BAD_PIXEL)
    return out


def drawn_regions(store: Store) -> list[dict[str, Any]]:
    """Return the regions of the step `generate_mask` of a store.

    Each is a panel and a shape, or a range of resolution, two limits in A.
    """
    if not store.has_step(GENERATE):
        return []
    found = _generated(store)
    shapes = [
        {k: v for k, v in region.model_dump().items() if v is not None}
        for region in found.untrusted
    ]
    return [*shapes, *({RESOLUTION: limits} for limits in found.resolution_range)]


def keep_regions(store: Store, content: bytes) -> dict[str, Any]:
    """Mask the regions of a request from now on in all runs; return the regions kept.

    They replace those of the step `generate_mask`, whose other parameters stay, and that
    step's mask is applied together with the masks that were applied before.

    store : opened to write. content : JSON, {"regions": [{"panel": 0, "circle": [x, y, r]},
    {"resolution": [3.9, 3.6]}, ...]}.

    Raises
    ------
    InputError
        The request is not of this form, or a region is not on its panel.
    StoreLockedError
        Another program writes to the store.
    """
    regions = _regions(content)
    given = _generated(store) if store.has_step(GENERATE) else GenerateMaskParameters()
    values = given.model_dump() | {
        "untrusted": [r for r in regions if RESOLUTION not in r],
        "resolution_range": [r[RESOLUTION] for r in regions if RESOLUTION in r],
        "output": {"mask": None},
    }
    try:
        parameters = GenerateMaskParameters.model_validate(values)
    except ValidationError as error:
        raise InputError(f"mask: {error.errors()[0]['msg']}") from None
    names = [name for name in _applied(store) if name != GENERATE]
    StepFunction(GENERATE)(store, parameters)
    applied = ApplyMaskParameters.model_validate({"input": {"mask": (*names, GENERATE)}})
    StepFunction(APPLY)(store, applied)
    return {"regions": drawn_regions(store)}


def _regions(content: bytes) -> list[dict[str, Any]]:
    try:
        regions = json.loads(content)["regions"]
    except (ValueError, TypeError, KeyError):
        raise InputError('mask: give JSON, {"regions": [...]}') from None
    if not isinstance(regions, list) or len(regions) > LARGEST_NUMBER:
        raise InputError(f"mask: regions is a list of up to {LARGEST_NUMBER}")
    for region in regions:
        ranges = isinstance(region, dict) and region.keys() == {RESOLUTION}
        if not (ranges or (isinstance(region, dict) and region.keys() <= SHAPES)):
            words = ", ".join(sorted(SHAPES))
            raise InputError(f"mask: a region has {words}, or resolution alone; got {region!r}")
    return regions


def _generated(store: Store) -> GenerateMaskParameters:
    found = store.step_attributes(GENERATE)["parameters"].get(GENERATE, {})
    return stored_parameters(GenerateMaskParameters, found)


def _applied(store: Store) -> tuple[str, ...]:
    """Return the names of the masks that are applied."""
    if not store.has_step(APPLY):
        return ()
    found = store.step_attributes(APPLY)["parameters"].get(APPLY, {})
    return stored_parameters(ApplyMaskParameters, found).input.mask or ()

"""The detectors of an NXmx file, and the sizes of frames that they fit."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from dxdask.storage.importers.nxmx.fields import groups_of, loaded, present

_PLACED = ("distance", "detector_distance", "beam_center_x", "x_pixel_size")
_PIXELS = ("y_pixels_in_detector", "x_pixels_in_detector")


def detectors_of(entry: h5py.Group) -> list[h5py.Group]:
    """Return the NXdetector groups of an entry, in any of its instruments."""
    instruments = groups_of(entry, "NXinstrument")
    return [d for i in instruments for d in groups_of(i, "NXdetector")]


def fit_of(detector: h5py.Group, size: tuple[int, int]) -> int:
    """Return how well a detector fits frames: 3 its size, 2 unknown, 1 smaller, 0 none at all."""
    sizes = frame_sizes(detector)
    if not sizes:
        return 2 if any(present(detector, n) is not None for n in _PLACED) else 0
    if size in sizes or size[::-1] in sizes:
        return 3
    return 1 if any(s[0] <= size[0] and s[1] <= size[1] for s in sizes) else 0


def modules_of(detector: h5py.Group) -> list[h5py.Group]:
    """Return the modules of a detector."""
    return groups_of(detector, "NXdetector_module")


def frame_sizes(detector: h5py.Group) -> set[tuple[int, int]]:
    """Return the sizes (slow, fast) that a detector's frames may have by what is in its group."""
    out: set[tuple[int, int]] = set()
    ends = [e for m in modules_of(detector) if (e := _end(m)) is not None]
    if ends:
        out.add((max(e[0] for e in ends), max(e[1] for e in ends)))
    mask = present(detector, "pixel_mask")
    if mask is not None and mask.ndim >= 2:
        out.add((int(mask.shape[-2]), int(mask.shape[-1])))
    special = detector.get("detectorSpecific")
    if isinstance(special, h5py.Group):
        pixels = [present(special, n) for n in _PIXELS]
        if all(p is not None for p in pixels):
            slow, fast = (_integers(p) for p in pixels)
            out.add((slow[0], fast[0]))
    return out


def _end(module: h5py.Group) -> tuple[int, int] | None:
    """Return the end (slow, fast) of a module in its frame; None where it says nothing of it."""
    size = present(module, "data_size")
    if size is None:
        return None
    origin = present(module, "data_origin")
    extent = _integers(size)
    first = _integers(origin) if origin is not None else [0] * len(extent)
    if len(first) == 3 and len(extent) in (2, 3):
        extent = extent if len(extent) == 3 else [1, *extent]
        return ((first[0] + extent[0]) * extent[1], first[2] + extent[2])
    if len(first) == 2 and len(extent) == 2:
        return (first[0] + extent[0], first[1] + extent[1])
    return None


def _integers(dataset: Any) -> list[int]:
    """Return numbers as integers; those that are none are -1, which fits no frame."""
    try:
        values = np.asarray(loaded(dataset), dtype=np.float64).ravel()
    except (ValueError, TypeError, OverflowError):
        return [-1]
    return [int(v) if np.isfinite(v) and abs(v) < 1e9 else -1 for v in values]

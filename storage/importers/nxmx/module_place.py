"""The place of the modules of an NXmx file in the stored frames."""

from __future__ import annotations

import h5py
import numpy as np

from dxdask.errors import FormatError
from dxdask.storage.importers.nxmx.fields import Findings, loaded, present, where


def rectangles_of(
    modules: list[h5py.Group], frame_shape: tuple[int, int], found: Findings
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return first pixel and size, (fast, slow) each, of the modules in the stored frame.

    Sizes as (fast, slow), as some writers have them, are taken so where only that fits.

    Raises
    ------
    FormatError
        A module is not within the frame.
    """
    places = [_rectangle(m, frame_shape, alone=len(modules) == 1) for m in modules]
    if all(_is_inside(*p, frame_shape) for p in places):
        return [((o[1], o[0]), (s[1], s[0])) for o, s in places]
    if all(len(o) == len(s) == 2 and _is_inside(o[::-1], s[::-1], frame_shape) for o, s in places):
        found.note(
            f"{where(modules[0])}: data_size is (fast, slow), not (slow, fast): it fits the frames "
            f"of {frame_shape} so alone"
        )
        return [((o[0], o[1]), (s[0], s[1])) for o, s in places]
    i = next(i for i, p in enumerate(places) if not _is_inside(*p, frame_shape))
    first, size = places[i]
    raise FormatError(
        f"{where(modules[i])} is at {first} with size {size} (slow, fast), outside the frames of "
        f"{frame_shape}"
    )


def _rectangle(
    module: h5py.Group, frame_shape: tuple[int, int], *, alone: bool
) -> tuple[list[int], list[int]]:
    """Return first pixel and size as the file has them; a module alone is the whole frame."""
    items = [present(module, n) for n in ("data_origin", "data_size")]
    missing = [n for n, i in zip(("data_origin", "data_size"), items, strict=True) if i is None]
    if missing and not alone:
        raise FormatError(f"{where(module)} lacks {', '.join(missing)}, which NXmx requires")
    size = _integers(items[1]) if items[1] is not None else list(frame_shape)
    first = _integers(items[0]) if items[0] is not None else [0] * len(size)
    if len(first) == 3 and len(size) in (2, 3):
        # Frames (image, module, slow, fast) are stored with their modules stacked along slow.
        if len(size) == 2:
            size = [1, *size]
        first = [first[0] * size[1] + first[1], first[2]]
        size = [size[0] * size[1], size[2]]
    return first, size


def _integers(item: h5py.Dataset) -> list[int]:
    try:
        values = np.asarray(loaded(item), dtype=np.float64).ravel()
    except (ValueError, TypeError) as error:
        raise FormatError(f"{where(item)} cannot be read as numbers ({error})") from error
    if not np.all(np.abs(values) < 1e9):
        raise FormatError(f"{where(item)} has numbers of no detector: {values[:3].tolist()}")
    return [int(v) for v in values]


def _is_inside(first: list[int], size: list[int], frame_shape: tuple[int, int]) -> bool:
    return (
        len(first) == len(size) == 2
        and min(first) >= 0
        and min(size) > 0
        and all(a + b <= n for a, b, n in zip(first, size, frame_shape, strict=True))
    )

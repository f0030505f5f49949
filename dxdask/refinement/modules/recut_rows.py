"""Tables of reflections and their pixels, from the panels of one detector to those of a re-cut one.

Both detectors are of the same frames, and a position in the stored frame stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections, n_rows
from dxdask.errors import InputError, SchemaError
from dxdask.models import Detector
from dxdask.refinement.modules.recut import in_frame, require_own_places

PIXELS = {"x": ("x", "x_cal", "pixel_x"), "y": ("y", "y_cal", "pixel_y")}
MILLIMETRES = {"x": ("x_mm", "x_cal_mm"), "y": ("y_mm", "y_cal_mm")}


def recut_reflections(table: Reflections, old: Detector, new: Detector) -> Reflections:
    """Return the table, of panels of `old`, with panel and positions on the panels of `new`.

    `new` is `old` re-cut, or the other way round. Columns that are moved: panel, x, y, x_cal,
    y_cal, x_mm, y_mm, x_cal_mm, y_cal_mm and bbox; rows and their order stay. A reflection is on
    the panel of `new` that has its observed position, else its predicted one, else its box; or
    on the nearest one, where it is in a gap.

    Raises
    ------
    SchemaError
        The table has no panel, or no position.
    InputError
        The detectors are not of the same frames.
    """
    if cut_alike(old, new):
        return table
    _check(old, new)
    if "panel" not in table:
        raise SchemaError("table of reflections lacks panel; give the column to re-cut it")
    before = table["panel"].astype(np.int64)
    offset = _offsets(old)
    panel = _panels_at(_places(table) + offset[before], before, old, new)
    steps = offset[before] - _offsets(new)[panel]
    sizes = np.array([p.pixel_size for p in new.panels])[panel]
    out = {**table, "panel": panel.astype(np.int32)}
    for i, axis in enumerate("xy"):
        for name in PIXELS[axis]:
            if name in table:
                out[name] = table[name] + steps[:, i]
        for name in MILLIMETRES[axis]:
            if name in table:
                out[name] = table[name] + steps[:, i] * sizes[:, i]
    if "bbox" in table:
        out["bbox"] = table["bbox"].copy()
        out["bbox"][:, :4] += np.repeat(steps, 2, axis=1).astype(np.int32)
    return out


def recut_pixels(
    arrays: Mapping[str, NDArray[Any]],
    old_panels: NDArray[np.int32],
    new_panels: NDArray[np.int32],
    old: Detector,
    new: Detector,
) -> dict[str, NDArray[Any]]:
    """Return the pixels of spots (pixel_offsets, pixel_x, pixel_y, ...) on re-cut panels.

    old_panels, new_panels : (n,) of the spots, on the two detectors.

    Raises
    ------
    InputError
        The pixels are of another number of spots.
    """
    if cut_alike(old, new) or "pixel_offsets" not in arrays:
        return dict(arrays)
    lengths = np.diff(arrays["pixel_offsets"])
    if len(lengths) != len(new_panels):
        raise InputError(
            f"pixels of {len(lengths)} spots do not match {len(new_panels)} reflections: "
            "spots were found again since; run index and refine again with force=true"
        )
    steps = _offsets(old)[old_panels.astype(np.int64)] - _offsets(new)[new_panels.astype(np.int64)]
    moved = np.repeat(steps, lengths, axis=0)
    out = dict(arrays)
    for i, axis in enumerate("xy"):
        name = f"pixel_{axis}"
        if name in arrays:
            out[name] = (arrays[name] + moved[:, i]).astype(arrays[name].dtype)
    return out


def cut_alike(one: Detector, other: Detector) -> bool:
    """Return True if the panels of two detectors are the same pixels of the stored frame."""
    return len(one) == len(other) and all(
        in_frame(p) == in_frame(q) for p, q in zip(one.panels, other.panels, strict=True)
    )


def _check(old: Detector, new: Detector) -> None:
    require_own_places(old)
    require_own_places(new)
    if not _sizes_agree(old, new):
        raise InputError(
            "reflections cannot be moved between detectors of other pixel sizes; re-cut the "
            "detector that they are on"
        )


def _sizes_agree(old: Detector, new: Detector) -> bool:
    """Return True if panels of the two that share pixels have the same pixel size."""
    if len({p.pixel_size for p in (*old.panels, *new.panels)}) == 1:
        return True
    pairs = [
        (p.pixel_size, q.pixel_size)
        for p in old.panels for q in new.panels
        if _meet(in_frame(p), in_frame(q))
    ]  # fmt: skip
    return all(np.allclose(a, b, rtol=1e-6) for a, b in pairs)


def _meet(one: Sequence[int], other: Sequence[int]) -> bool:
    """Return True if two rectangles of the frame have pixels in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _offsets(detector: Detector) -> Integers:
    return np.array([p.offset for p in detector.panels], dtype=np.int64).reshape(-1, 2)


def _places(table: Reflections) -> Floats:
    """Return the position (n, 2) of each reflection on its panel, px: observed, else predicted,
    else the middle of its box; 0 where there is none.
    """
    out = np.full((n_rows(table), 2), np.nan)
    for names in (("x", "y"), ("x_cal", "y_cal")):
        if all(name in table for name in names):
            found = np.column_stack([table[name] for name in names])
            out = np.where(np.isfinite(out).all(axis=1)[:, None], out, found)
    if "bbox" in table:
        box = table["bbox"].astype(np.float64)
        middle = np.stack([box[:, :2].mean(axis=1), box[:, 2:4].mean(axis=1)], axis=1)
        out = np.where(np.isfinite(out).all(axis=1)[:, None], out, middle)
    elif not {"x", "x_cal"} & set(table):
        raise SchemaError(
            "table of reflections lacks x and y, x_cal and y_cal, and bbox; give one of them to "
            "re-cut it"
        )
    return np.asarray(np.nan_to_num(out))


def _panels_at(places: Floats, before: Integers, old: Detector, new: Detector) -> Integers:
    """Return the panel (n,) of `new` that has a place of the frame (n, 2), or the nearest one.

    before : (n,) panels of `old`; only what shares pixels with them is looked at.
    """
    out = np.zeros(len(places), dtype=np.int64)
    boxes = [in_frame(p) for p in new.panels]
    for i in np.unique(before):
        rows = np.flatnonzero(before == i)
        near = [k for k, box in enumerate(boxes) if _meet(box, in_frame(old[int(i)]))]
        if not near:
            raise InputError(
                f"panel {old[int(i)].name!r} has no pixel of the re-cut detector, on which its "
                "reflections are to be; the two are not of the same frames"
            )
        low, high = np.array([boxes[k] for k in near], np.float64).reshape(-1, 2, 2).swapaxes(0, 1)
        best, nearest = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.int64)
        for k, a, b in zip(near, low, high, strict=True):
            beyond = np.maximum(np.maximum(a - places[rows], places[rows] - b), 0.0)
            distance = (beyond**2).sum(axis=1)
            # the first pixel of a panel is its own, the one after its last is not
            distance += 1e-12 * (places[rows] >= b).any(axis=1)
            closer = distance < best
            best[closer], nearest[closer] = distance[closer], k
        out[rows] = nearest
    return out

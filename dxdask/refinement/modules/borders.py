"""Borders of the modules in a panel: from masked gaps, known layouts, or gaps among the spots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.models import Panel
from dxdask.refinement.modules.layouts import Rectangle, known_modules

NARROWEST_GAP = 4
"""Pixels: less is a dead line, or the two larger pixels where chips of a module meet."""
SMALLEST_MODULE = 64
"""Pixels along a side: what is smaller belongs to the module beside it (a strip beside a mask)."""
_MASKED = 0.98  # fraction of the gaps of a known layout that is masked
_EXPECTED = 25.0  # spots expected in a gap by its surroundings, of which there are none


def module_rectangles(
    panel: Panel, mask: Mask | None = None, boxes: NDArray[np.int32] | None = None
) -> tuple[Rectangle, ...]:
    """Return the modules of a panel, x0, y0, x1, y1 (px of the panel, half open), row by row.

    Modules are, the first that applies: those of a detector known by its size, where the gaps are
    masked; what lies between rows and columns that are masked throughout; those of a known
    detector; what lies between wide bands without spots, cut in their middle. No two overlap, and
    each valid pixel is in one, but for those in the gaps of a known detector that no mask has.

    Parameters
    ----------
    mask : (slow, fast) of the panel, True is good; None for all. Masked rectangles of the panel
        are masked as well.
    boxes : (n, 4 or more) x0, x1, y0, y1 of spots, px of the panel; None: spots are not used.
    """
    width, height = panel.image_size
    good = valid_pixels(panel, mask)
    known = known_modules(panel.image_size)
    if known and _outside(good, known) <= (1.0 - _MASKED) * (
        width * height - sum(map(_area, known))
    ):
        return tuple(r for r in known if _part(good, r).any())
    found = tuple(_cut(good, (0, 0, width, height)))
    if len(found) > 1 or known:
        return found if len(found) > 1 else known
    if boxes is None or not len(boxes):
        return ((0, 0, width, height),)
    x, y = (_empty_bands(boxes[:, 2 * i : 2 * i + 2], panel.image_size[i]) for i in (0, 1))
    columns, rows = _between(x, width), _between(y, height)
    return tuple((x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns)


def valid_pixels(panel: Panel, mask: Mask | None = None) -> Mask:
    """Return the valid pixels (slow, fast) of a panel: by the mask and by its own rectangles."""
    width, height = panel.image_size
    good = np.ones((height, width), np.bool_) if mask is None else mask.copy()
    for x0, y0, x1, y1 in panel.mask:
        good[y0:y1, x0:x1] = False
    return good


def _part(good: Mask, rectangle: Rectangle) -> Mask:
    x0, y0, x1, y1 = rectangle
    return good[y0:y1, x0:x1]


def _area(rectangle: Rectangle) -> int:
    x0, y0, x1, y1 = rectangle
    return (x1 - x0) * (y1 - y0)


def _outside(good: Mask, rectangles: Sequence[Rectangle]) -> int:
    """Return the number of valid pixels in none of the rectangles, which do not overlap."""
    inside = sum(int(np.count_nonzero(_part(good, r))) for r in rectangles)
    return int(np.count_nonzero(good)) - inside


def _cut(good: Mask, whole: Rectangle) -> Iterator[Rectangle]:
    """Yield the parts of a rectangle between masked bands through all of it, cut again and again.

    Parts without valid pixels are left out.
    """
    part = _part(good, whole)
    if not part.any():
        return
    x0, y0 = whole[:2]
    columns = _intervals(np.asarray(part.any(axis=0)))
    rows = _intervals(np.asarray(part.any(axis=1)))
    if len(columns) == 1 and len(rows) == 1:
        yield whole
        return
    for a, b in rows:
        for c, d in columns:
            yield from _cut(good, (x0 + c, y0 + a, x0 + d, y0 + b))


def _intervals(filled: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the parts of a line between its gaps; masked ends stay with the part beside them.

    filled : (n,), whether a row or column has any valid pixel.
    """
    gaps = [
        gap for gap in _runs(~filled)
        if gap[1] - gap[0] >= NARROWEST_GAP and gap[0] > 0 and gap[1] < len(filled)
    ]  # fmt: skip
    while gaps:
        ends = [0, *(e for gap in gaps for e in gap), len(filled)]
        parts = list(zip(ends[::2], ends[1::2], strict=True))
        narrow = [i for i, (a, b) in enumerate(parts) if b - a < SMALLEST_MODULE]
        if not narrow:
            return parts
        # the narrower of the gaps beside a part that is too small is none
        beside = [j for j in (narrow[0] - 1, narrow[0]) if 0 <= j < len(gaps)]
        gaps.remove(min((gaps[j] for j in beside), key=lambda gap: gap[1] - gap[0]))
    return [(0, len(filled))]


def _runs(values: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first index and the index after the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _empty_bands(ends: NDArray[np.int32], size: int) -> list[tuple[int, int]]:
    """Return bands that no spot reaches into, though many are expected by those on both sides.

    ends : (n, 2), first pixel of each spot and the one after its last. size : of the panel, px.
    """
    clipped = np.clip(ends.astype(np.int64), 0, size)
    steps = np.bincount(clipped[:, 0], minlength=size + 1)
    steps = steps - np.bincount(clipped[:, 1], minlength=size + 1)
    covered = np.cumsum(steps)[:size] > 0
    centre = np.bincount(np.clip(clipped.sum(axis=1) // 2, 0, size - 1), minlength=size)
    before = np.concatenate([[0], np.cumsum(centre)])
    out = []
    for a, b in _runs(~covered):
        w = b - a
        if w < NARROWEST_GAP or a < SMALLEST_MODULE or b > size - SMALLEST_MODULE:
            continue
        reach = max(w, SMALLEST_MODULE)
        low, high = max(a - reach, 0), min(b + reach, size)
        sides = [(before[a] - before[low]) / (a - low), (before[high] - before[b]) / (high - b)]
        if w * min(sides) > _EXPECTED:
            out.append((a, b))
    return out


def _between(bands: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Return the parts of a line cut in the middle of each band."""
    cuts = [0, *((a + b) // 2 for a, b in bands), size]
    return list(pairwise(cuts))

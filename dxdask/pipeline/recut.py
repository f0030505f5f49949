"""Rows and pixels of earlier steps, on the panels of a detector that a later step re-cut.

Refinement may re-cut the panels of a detector into modules. Panels and positions of spots found
before are then those of the detector as imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.columns import Reflections
from dxdask.models import Detector
from dxdask.storage.store.store import Store

if TYPE_CHECKING:
    from dxdask.pipeline.stored_result import StoredResult


def rows_on(table: Reflections, old: Detector, new: Detector) -> Reflections:
    """Return a table of reflections on the panels of another cut of a detector, if it has panels.

    Where there are no panels, or the detectors cannot be compared, it is as it was.
    """
    if "panel" not in table or not old.panels or not new.panels or old == new:
        return table
    from dxdask.refinement.modules.recut_rows import cut_alike, recut_reflections

    if cut_alike(old, new):
        return table
    return recut_reflections(table, old, new)


def pixels_on(
    spots: StoredResult, rows: Reflections, detector: Detector, run: str
) -> dict[str, NDArray[Any]]:
    """Return the strong pixels of the spots of a run, on the panels of a detector.

    rows : the same spots on these panels.
    """
    from dxdask.refinement.modules.recut_rows import cut_alike, recut_pixels

    pixels = spots.pixels(run=run)
    old = spots.experiments(run=run)[0].detector
    if cut_alike(old, detector):
        return pixels
    before = spots.columns(["panel"], run=run)["panel"]
    return recut_pixels(pixels, before, rows["panel"], old, detector)


class StoredMasks(Mapping[str, Mask]):
    """Masks (slow, fast) of runs of a store, as imported and applied, each read when asked for."""

    def __init__(self, path: str, runs: Sequence[str]) -> None:
        self._path, self._runs = path, tuple(runs)

    def __getitem__(self, run: str) -> Mask:
        if run not in self._runs:
            raise KeyError(run)
        return Store.open(self._path, mode="r").mask(run)

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

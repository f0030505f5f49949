"""Peaks of peakfinder8 that hits are found by."""

from __future__ import annotations

from dxdask.errors import ParameterError
from dxdask.hits import HitParameters
from dxdask.storage.store.store import Store

PEAKS = "peaks"
"""Key, among the contents of find_spots, of the parameters that its peaks were found with."""


def require_peaks(store: Store, given: HitParameters) -> None:
    """Check that the store holds the peaks of `hits.method`: `hits` alone reads no frames.

    Raises
    ------
    ParameterError
        They are others.
    """
    if given.method != "peakfinder8":
        return
    made = store.manifest("find_spots").parameters.get("contents", {}).get(PEAKS)
    if made != given.of_peaks:
        raise ParameterError(
            f"{store.path} does not hold the peaks that hits.method=peakfinder8 needs, and "
            "dxdask hits looks at no frames; give these parameters to: dxdask stills_process "
            f"{store.path}"
        )

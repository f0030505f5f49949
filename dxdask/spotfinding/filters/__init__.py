"""Filters of spots. Those of pixels are masks (`dxdask.masking`).

keep_spots : the filters in DIALS's order. (That of spot sizes acts earlier, in `spot_lists`.)
density : regions of the detector with too many spots.
gradient : spots on a steep background.
"""

from dxdask.spotfinding.filters.keep_spots import (
    boxes_wanted,
    is_near,
    keep_spots,
    needs_surroundings,
    require_surroundings,
)

__all__ = [
    "boxes_wanted",
    "is_near",
    "keep_spots",
    "needs_surroundings",
    "require_surroundings",
]

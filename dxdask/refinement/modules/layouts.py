"""Modules of detectors whose frames have gaps between them, by the size of the frame."""

from __future__ import annotations

from typing import TypeAlias

Rectangle: TypeAlias = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of a panel, half open."""

LAYOUTS = {
    "PILATUS": ((487, 195), (7, 17)),
    "EIGER": ((1030, 514), (10, 37)),
    "EIGER2": ((1028, 512), (12, 38)),
    "JUNGFRAU": ((1024, 512), (8, 36)),
    "JUNGFRAU with chip gaps": ((1030, 514), (8, 36)),
}
"""Pixels (fast, slow) of a module, and of the gap to the next one.

Sources: PILATUS: Kraft et al. (2009), J. Synchrotron Rad. 16, 368; EIGER: Casanas et al. (2016),
Acta Cryst. D72, 1036; EIGER2: `h5read/include/eiger2xe.h` of DiamondLightSource/
fast-feedback-service; JUNGFRAU: `detector_backend/detector/` of paulscherrerinstitute/
detector_backend (modules of 2 x 4 chips of 256 x 256, two more pixels where chips meet).
"""


def known_modules(image_size: tuple[int, int]) -> tuple[Rectangle, ...]:
    """Return the modules of a frame of this size (fast, slow), row by row; none if not known."""
    for module, gap in LAYOUTS.values():
        counts = [(n + g) // (m + g) for n, m, g in zip(image_size, module, gap, strict=True)]
        sizes = [c * (m + g) - g for c, m, g in zip(counts, module, gap, strict=True)]
        if tuple(sizes) == image_size and counts[0] * counts[1] > 1:
            starts = [
                [i * (m + g) for i in range(c)] for c, m, g in zip(counts, module, gap, strict=True)
            ]
            return tuple((x, y, x + module[0], y + module[1]) for y in starts[1] for x in starts[0])
    return ()

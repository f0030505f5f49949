"""Stockholm's Timepix as four chips, of which the pixels at the edges are three times as wide.

Source: dxtbx's FormatSMVTimePix_SU_512x512; images of 516 x 516 pixels have those pixels split.
"""

from __future__ import annotations

from dataclasses import replace

from dxdask.models import Detector, Group, Panel

WIDE_CHIPS = (512, 512)
_CHIP = 256
_WIDE = 3.0


def timepix_detector(whole: Panel, distance: float, centre: tuple[float, float]) -> Detector:
    """Return the four chips without their edges; centre: of the beam, px of the image."""
    pixel = whole.pixel_size
    x0, y0 = (-_along(c) * p for c, p in zip(centre, pixel, strict=True))
    panels = tuple(
        replace(
            whole,
            name=f"Panel{2 * row + column}",
            origin=(
                x0 + _along(column * _CHIP + 1.0) * pixel[0],
                -(y0 + _along(row * _CHIP + 1.0) * pixel[1]),
                -distance,
            ),
            image_size=(_CHIP - 2, _CHIP - 2),
            offset=(column * _CHIP + 1, row * _CHIP + 1),
        )
        for row in range(2)
        for column in range(2)
    )
    root = Group(origin=(x0, -y0, -distance), slow_axis=(0.0, -1.0, 0.0))
    return Detector(panels=panels, root=root)


def _along(px: float) -> float:
    """Return the way, in narrow pixels, from the corner of the image to `px`."""
    wide = (0.0, _CHIP - 1.0, float(_CHIP), 2 * _CHIP - 1.0)
    return px + (_WIDE - 1.0) * sum(min(max(px - start, 0.0), 1.0) for start in wide)

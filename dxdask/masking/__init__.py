"""Masks: the pixels of a detector that are used on every image.

generate, apply : the steps `generate_mask` and `apply_mask`, in memory.
parameters : the parameters of both, and those that other steps share.
panels : masks of each panel, by reason.
shapes : borders, circles, rectangles, polygons and pixels.
resolution : ranges of resolution and ice rings.
"""

from typing import TYPE_CHECKING

from dxdask.masking.parameters import (
    ApplyMaskParameters,
    GenerateMaskParameters,
    MaskParameters,
)
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.masking.apply import apply_mask, combined
    from dxdask.masking.generate import as_arrays, generate_mask
    from dxdask.masking.panels import masked_for, panel_masks

__all__ = [
    "ApplyMaskParameters",
    "GenerateMaskParameters",
    "MaskParameters",
    "apply_mask",
    "as_arrays",
    "combined",
    "generate_mask",
    "masked_for",
    "panel_masks",
]

on_demand(
    __name__,
    apply_mask="apply",
    combined="apply",
    as_arrays="generate",
    generate_mask="generate",
    masked_for="panels",
    panel_masks="panels",
)

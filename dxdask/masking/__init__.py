"""Masks: which pixels of the detector may be used, whatever the frame."""

from dxdask.masking.generate import as_arrays, generate_mask
from dxdask.masking.panels import masked_for, panel_masks
from dxdask.masking.parameters import (
    ApplyMaskParameters,
    GenerateMaskParameters,
    MaskParameters,
)

__all__ = [
    "ApplyMaskParameters",
    "GenerateMaskParameters",
    "MaskParameters",
    "as_arrays",
    "generate_mask",
    "masked_for",
    "panel_masks",
]

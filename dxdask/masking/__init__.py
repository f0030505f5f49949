"""Masks: which pixels of the detector may be used, whatever the frame."""

from dxdask.masking.apply import apply_mask, combined
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
    "apply_mask",
    "as_arrays",
    "combined",
    "generate_mask",
    "masked_for",
    "panel_masks",
]

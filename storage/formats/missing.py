"""Values of the geometry that a file lacks, for which the user's parameters may stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Value: TypeAlias = Literal[
    "wavelength",
    "distance",
    "beam_centre",
    "origin",
    "axes",
    "pixel_size",
    "material",
    "thickness",
    "trusted_range",
    "goniometer",
    "oscillation",
    "mask",
]
"""A value that a reader may leave open. `axes` are the directions of rows and columns of pixels,
`origin` is the place of a panel whose directions are known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A value that a file lacks, or has in a form that cannot be used.

    The models hold a placeholder in its place. The import ends with an error unless the user's
    parameters or a reference geometry give the value, so that a reader need not know of either.

    Attributes
    ----------
    reason : file, field and fault, as a clause; what to do is added from the value.
    """

    value: Value
    reason: str

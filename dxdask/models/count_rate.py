"""Dead time of the pixels of a photon-counting detector, as a header states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dxdask.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class CountRate:
    """What a header says of the photons that pixels lose at high rates.

    dead_time : s, after a photon, in which a pixel counts none; 0 where not known.
    is_corrected : the recorded counts are corrected for it already; None where not known.
    is_paralyzable : a photon within the dead time begins it anew.
    """

    dead_time: float = 0.0
    is_corrected: bool | None = None
    is_paralyzable: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.dead_time) and self.dead_time >= 0.0):
            raise InputError(f"a dead time of {self.dead_time} s is not possible; give 0 or more")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> CountRate:
        """Return that of its fields; without any, nothing is known."""
        return cls(**(values or {}))

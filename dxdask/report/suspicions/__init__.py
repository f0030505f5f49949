"""Findings on results of a job that are unlike good data, each with its figure and what to do.

The limits are loose: what is within them may still be wrong, what is outside deserves a look.

spots, pixels, crystal, detector, intensities : the checks, by what they look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.crystal import suspicious_crystals
from dxdask.report.suspicions.detector import suspicious_detectors
from dxdask.report.suspicions.intensities import suspicious_intensities
from dxdask.report.suspicions.pixels import suspicious_pixels
from dxdask.report.suspicions.spots import suspicious_spots
from dxdask.report.suspicions.suspicion import Suspicion

__all__ = ["Suspicion", "suspicions"]


def suspicions(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious in the tables of a store, about in the order of processing."""
    for checks in (
        suspicious_pixels,
        suspicious_spots,
        suspicious_crystals,
        suspicious_detectors,
        suspicious_intensities,
    ):
        yield from checks(tables)

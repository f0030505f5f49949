"""Hit finding: the events that show a crystal.

find_hits : the step, from spots or from the peaks of peakfinder8.
parameters : `HitParameters`.
peakfinder8 : peaks of a frame above the background of their ring.
peaks, rings : its kernels; the rings of a detector and their background.
tables : tables of events and of the hit rate.
"""

from typing import TYPE_CHECKING

from dxdask.hits.parameters import HitParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.hits.find_hits import find_hits
    from dxdask.hits.peakfinder8 import Peakfinder8

__all__ = ["HitParameters", "Peakfinder8", "find_hits"]

on_demand(__name__, find_hits="find_hits", Peakfinder8="peakfinder8")

"""Hit finding: the events that show a crystal.

find_hits : the step, from spots or from the peaks of peakfinder8.
parameters : `HitParameters`.
peakfinder8 : peaks of a frame above the background of their ring.
peaks, rings : its kernels; the rings of a detector and their background.
tables : tables of events and of the hit rate.
"""

from dxdask.hits.find_hits import find_hits
from dxdask.hits.parameters import HitParameters
from dxdask.hits.peakfinder8 import Peakfinder8

__all__ = ["HitParameters", "Peakfinder8", "find_hits"]

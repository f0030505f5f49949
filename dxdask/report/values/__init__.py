"""Values behind plots, without matplotlib: frames of pandas, and arrays.

results : reflections and models that plots are made of, from a store or as given.
scan_varying : cell and orientation along a scan.
residuals : observed less predicted centroids, by image, and their histograms.
detector_maps : residuals in bins over the panels, in the layout of the stored frame.
lattice_points : points of the reciprocal lattice, and their projections.
spot_counts : indexed and unindexed spots by image, and their places on the frame.
"""

from dxdask.report.values.detector_maps import DetectorMap, residuals_over_detector
from dxdask.report.values.lattice_points import LatticePoints, projected, reciprocal_lattice
from dxdask.report.values.residuals import (
    Histogram,
    residual_histograms,
    residuals,
    residuals_by_image,
)
from dxdask.report.values.results import Results, results_of
from dxdask.report.values.scan_varying import scan_varying_crystals
from dxdask.report.values.spot_counts import spots_by_image, spots_over_detector

__all__ = [
    "DetectorMap",
    "Histogram",
    "LatticePoints",
    "Results",
    "projected",
    "reciprocal_lattice",
    "residual_histograms",
    "residuals",
    "residuals_by_image",
    "residuals_over_detector",
    "results_of",
    "scan_varying_crystals",
    "spots_by_image",
    "spots_over_detector",
]

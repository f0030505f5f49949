"""Plots of the results in a store, for notebooks, and the report of a store as one page.

matplotlib is imported with the first plot function that is used: the page needs none.

plots : pixel histograms, paired intensities, RMSDs, merging statistics.
scan_varying : cell and orientation of crystals that vary along their scans.
residual_maps : residuals over the detector, in bins and as arrows.
residual_plots : residuals along the scan, RMSDs by image, histograms and z-scores.
spots : the reciprocal lattice, indexed and unindexed spots over scan and detector.
hits : hits and spots of events over a run of stills.
module_residuals : residuals over the detector, and moves of its modules.
panel_moves : moves of the panels in metrology.
palette, axes : colours of curves and maps; axes and legends.
exploration : pixels, intensities, pairs, ratios, masks by run, module and image range.
values : the numbers behind plots, without matplotlib.
page : the report as one HTML page.
sections : the sections of the page, one a module.
comparison : two branches, stores or runs side by side.
step_tables : tables, columns and arrays of a store, each read once.
found, suspicions : what the steps found; what is unlike good data.
runs : runs with their geometry as imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dxdask.report.comparison.plots import (
        plot_compared_cells,
        plot_compared_counts,
        plot_compared_intensities,
        plot_compared_shells,
        plot_comparison,
        plot_matched_shells,
    )
    from dxdask.report.exploration.plots import (
        plot_intensities,
        plot_matched,
        plot_pixels,
        plot_ratios,
    )
    from dxdask.report.hits import plot_hits
    from dxdask.report.module_residuals import (
        plot_module_moves,
        plot_module_residuals,
        plot_residuals,
    )
    from dxdask.report.panel_moves import plot_metrology, plot_panel_moves
    from dxdask.report.plots import (
        plot_ensemble,
        plot_histograms,
        plot_merging,
        plot_pairs,
        plot_rmsds,
    )
    from dxdask.report.residual_maps import (
        plot_residual_map,
        plot_residual_vectors,
        plot_residuals_over_detector,
    )
    from dxdask.report.residual_plots import (
        plot_residual_histograms,
        plot_residuals_along_scan,
        plot_rmsd_by_image,
        plot_z_scores,
    )
    from dxdask.report.scan_varying import plot_scan_varying_cell, plot_scan_varying_orientation
    from dxdask.report.spots import (
        plot_reciprocal_lattice,
        plot_spots_by_image,
        plot_spots_over_detector,
    )

__all__ = [
    "plot_compared_cells",
    "plot_compared_counts",
    "plot_compared_intensities",
    "plot_compared_shells",
    "plot_comparison",
    "plot_ensemble",
    "plot_histograms",
    "plot_hits",
    "plot_intensities",
    "plot_matched",
    "plot_matched_shells",
    "plot_merging",
    "plot_metrology",
    "plot_module_moves",
    "plot_module_residuals",
    "plot_pairs",
    "plot_panel_moves",
    "plot_pixels",
    "plot_ratios",
    "plot_reciprocal_lattice",
    "plot_residual_histograms",
    "plot_residual_map",
    "plot_residual_vectors",
    "plot_residuals",
    "plot_residuals_along_scan",
    "plot_residuals_over_detector",
    "plot_rmsd_by_image",
    "plot_rmsds",
    "plot_scan_varying_cell",
    "plot_scan_varying_orientation",
    "plot_spots_by_image",
    "plot_spots_over_detector",
    "plot_z_scores",
]

_MODULES = {
    "plot_compared_cells": "comparison.plots",
    "plot_compared_counts": "comparison.plots",
    "plot_compared_intensities": "comparison.plots",
    "plot_compared_shells": "comparison.plots",
    "plot_comparison": "comparison.plots",
    "plot_matched_shells": "comparison.plots",
    "plot_ensemble": "plots",
    "plot_histograms": "plots",
    "plot_hits": "hits",
    "plot_intensities": "exploration.plots",
    "plot_matched": "exploration.plots",
    "plot_merging": "plots",
    "plot_metrology": "panel_moves",
    "plot_module_moves": "module_residuals",
    "plot_module_residuals": "module_residuals",
    "plot_pairs": "plots",
    "plot_panel_moves": "panel_moves",
    "plot_reciprocal_lattice": "spots",
    "plot_residual_histograms": "residual_plots",
    "plot_residual_map": "residual_maps",
    "plot_residual_vectors": "residual_maps",
    "plot_residuals": "module_residuals",
    "plot_residuals_along_scan": "residual_plots",
    "plot_residuals_over_detector": "residual_maps",
    "plot_pixels": "exploration.plots",
    "plot_ratios": "exploration.plots",
    "plot_rmsd_by_image": "residual_plots",
    "plot_rmsds": "plots",
    "plot_scan_varying_cell": "scan_varying",
    "plot_scan_varying_orientation": "scan_varying",
    "plot_spots_by_image": "spots",
    "plot_spots_over_detector": "spots",
    "plot_z_scores": "residual_plots",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"dxdask.report.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'dxdask.report' has no attribute {name!r}")

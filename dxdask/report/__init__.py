"""Plots of the results in a store, for notebooks and reports.

plots : pixel histograms, paired intensities, RMSDs, merging statistics.
hits : hits and spots of events over a run of stills.
module_residuals : residuals over the detector, and moves of its modules.
panel_moves : moves of the panels in metrology.
"""

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

__all__ = [
    "plot_ensemble",
    "plot_histograms",
    "plot_hits",
    "plot_merging",
    "plot_metrology",
    "plot_module_moves",
    "plot_module_residuals",
    "plot_pairs",
    "plot_panel_moves",
    "plot_residuals",
    "plot_rmsds",
]

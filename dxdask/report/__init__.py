"""Plots of what a store holds, for notebooks and reports."""

from dxdask.report.hits import plot_hits
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
    "plot_pairs",
    "plot_panel_moves",
    "plot_rmsds",
]

"""Experiments with the parallax of dxtbx, to compare with what DIALS made of the same frames."""

from __future__ import annotations

from dataclasses import replace

from dxdask.models import Experiment


def as_in_dxtbx(experiment: Experiment) -> Experiment:
    """Return the experiment with dxtbx's law of parallax, its panels where they are."""
    panels = tuple(replace(p, parallax_law="dxtbx") for p in experiment.detector.panels)
    return replace(experiment, detector=replace(experiment.detector, panels=panels))

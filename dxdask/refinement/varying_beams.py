"""Beams that are to vary along their scans, and their smoothers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections
from dxdask.geometry.required import require_rotation
from dxdask.models import Beam, Experiment, ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.models.vectors import unit, vector
from dxdask.refinement.parameters import Parameterisation
from dxdask.refinement.scan_varying import FEWEST_IMAGES

_OWN = 2
"""Parameters of each point: the rotations of the beam."""


class VaryingBeams(NamedTuple):
    """Beams that are to vary along their scans.

    Attributes
    ----------
    experiments : with a beam of its own, with scan points, for each scan along which one varies.
    smoothers : of these beams, by index.
    """

    experiments: ExperimentList
    smoothers: Mapping[int, Smoother]


def static_beams(experiments: ExperimentList) -> ExperimentList:
    """Return the experiments with beams that do not vary."""
    beams = tuple(replace(b, s0_at_scan_points=None) for b in experiments.beams)
    return replace(experiments, beams=beams)


def varying_beams(
    table: Reflections, experiments: ExperimentList, parameters: Parameterisation, used: Integers
) -> VaryingBeams:
    """Return the beams that are to vary along their scans: none unless that is asked for.

    Scans of fewer than ten images, and with too few reflections for one interval, keep theirs.

    table : indexed reflections. experiments : refined with static beams. used : rows of the table
    that were refined against.
    """
    wanted = parameters.beam
    if wanted.force_static or parameters.scan_varying is False or "all" in wanted.fix:
        return VaryingBeams(experiments, {})
    members, beams = list(experiments.members), list(experiments.beams)
    smoothers: dict[int, Smoother] = {}
    for i, e in enumerate(experiments):
        mine = used[table["experiment"][used] == i]
        smoother = _smoother(e, table["phi_rad"][mine], parameters)
        if members[i].crystal is None or smoother is None:
            continue
        place = members[i].beam
        if sum(m.beam == place for m in members) > 1:
            place = len(beams)
            beams.append(e.beam)
            members[i] = replace(members[i], beam=place)
        n_points = require_rotation(e).scan.n_images + 1
        beams[place] = replace(e.beam, s0_at_scan_points=(vector(e.beam.s0),) * n_points)
        smoothers[place] = smoother
    return VaryingBeams(replace(experiments, members=tuple(members), beams=tuple(beams)), smoothers)


def _smoother(experiment: Experiment, phi: Floats, wanted: Parameterisation) -> Smoother | None:
    """Return the smoother of the beam of a scan; None where too little determines it.

    phi : (n,) observed angles, rad.
    """
    scan = require_rotation(experiment).scan
    least = _OWN * wanted.auto_reduction.min_nref_per_parameter
    if scan.n_images < FEWEST_IMAGES or len(phi) < 3 * least:
        return None
    first, last = (float(x) for x in scan.array_range)
    if wanted.trim_scan_to_observations:
        z = scan.z_from_phi(phi)
        first, last = float(z.min()), float(z.max())
    width = max(last - first, 1.0)
    count = round(width * abs(scan.oscillation[1]) / wanted.beam.interval_width_degrees)
    # of three intervals and more there are two points more
    most = len(phi) // least - 2
    return Smoother(start=first, width=width, n_intervals=int(np.clip(count, 1, max(most, 1))))


def range_of(beam: Beam) -> float:
    """Return the largest angle, degrees, of a beam along the scan from its mean direction."""
    if beam.s0_at_scan_points is None:
        return 0.0
    s0 = np.asarray(beam.s0_at_scan_points)
    across = np.linalg.norm(np.cross(s0, unit(beam.s0)), axis=1) / np.linalg.norm(s0, axis=1)
    return float(np.degrees(np.arcsin(np.clip(across, 0.0, 1.0)).max()))

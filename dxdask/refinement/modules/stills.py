"""Metrology of stills with detectors re-cut into modules where these moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.columns import Flag, Reflections, has_flag, rows_of_images
from dxdask.geometry.still_rays import still_rays
from dxdask.models import ExperimentList
from dxdask.models.vectors import unit
from dxdask.refinement.metrology import MetrologyParameters, refine_metrology
from dxdask.refinement.modules.cutting import cut_into_modules
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.proposal import NOT_REFINED, ModuleProposal, propose_modules
from dxdask.results import StepResult
from dxdask.still_columns import Stills


def refine_metrology_with_modules(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: MetrologyParameters,
    masks: Mapping[str, Mask] | None = None,
    modules: ModuleParameters | None = None,
) -> StepResult:
    """Refine the detector of all stills, re-cut into modules where these moved in one panel.

    Parameters
    ----------
    reflections, stills, experiments, parameters : as of `refine_metrology`.
    masks : (slow, fast) of the frames of runs, True is good.
    modules : what to do; by default re-cut where modules moved.

    Returns
    -------
    StepResult
        As of `refine_metrology`. Where panels have several modules there is the table `modules`,
        the moves that residuals show before it, and where these moved its experiments have the
        re-cut detector.
    """
    given = modules or ModuleParameters()
    cut = None
    if given.modules != "none":
        cut = cut_into_modules(reflections, experiments, masks or {})
    if cut is None or len(cut.experiments[0].detector) == len(experiments[0].detector):
        # of panels metrology has tables of its own
        return refine_metrology(reflections, stills, experiments, parameters)
    predicted = predicted_stills(reflections, stills, experiments)
    proposal = propose_modules(predicted, experiments, given, masks)
    if proposal.is_significant and given.modules == "auto":
        cut = proposal.cut
        found = refine_metrology(cut.reflections, stills, cut.experiments, parameters)
    else:
        found = refine_metrology(reflections, stills, experiments, parameters)
    return replace(
        found,
        tables=(*found.tables, proposal.table),
        messages=(*found.messages, *_lines(proposal, given)),
    )


def _lines(proposal: ModuleProposal, given: ModuleParameters) -> list[str]:
    """Return the lines on modules and what was done."""
    lines = list(proposal.messages)
    if proposal.is_significant:
        n = len(proposal.cut.experiments[0].detector)
        lines.append(
            f"The detector was re-cut into {n} panels, each refined"
            if given.modules == "auto"
            else NOT_REFINED
        )
    return lines


def predicted_stills(
    reflections: Reflections, stills: Stills, experiments: ExperimentList
) -> Reflections:
    """Return the reflections with x_cal, y_cal, px, of the indexed ones; NaN of others.

    Each is predicted on the panel of its observation, from the crystal of its still.

    reflections : columns experiment, panel, hkl, flags and z, whose integer part is the image.
    """
    out = {**reflections, "x_cal": np.full(len(reflections["z"]), np.nan)}
    out["y_cal"] = out["x_cal"].copy()
    known = np.flatnonzero(stills["indexed"])
    still = rows_of_images(reflections, stills["experiment"][known], stills["image"][known])
    rows = np.flatnonzero(has_flag(reflections, Flag.INDEXED) & (still >= 0))
    still = known[still[rows]]
    q: Floats = np.einsum(
        "nij,nj->ni", stills["a_matrix"][still], reflections["hkl"][rows].astype(np.float64)
    )
    for i, experiment in enumerate(experiments):
        mine = np.flatnonzero(reflections["experiment"][rows] == i)
        beam = -unit(experiment.beam.direction)
        s1 = still_rays(q[mine], beam, stills["wavelength"][still[mine]]).s1
        panel = reflections["panel"][rows[mine]]
        for k in np.unique(panel):
            on = panel == k
            mm = experiment.detector[int(k)].ray_intersection(s1[on])
            hit = np.isfinite(mm).all(axis=1)
            xy = experiment.detector[int(k)].mm_to_pixel(mm[hit])
            at = rows[mine[on]][hit]
            out["x_cal"][at], out["y_cal"][at] = xy.T
    return out

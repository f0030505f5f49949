"""Reflections of a sweep that are integrated: predicted, with boxes and corrections."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, check, select
from dxdask.geometry.required import require_rotation
from dxdask.integration.boxes import add_boxes
from dxdask.integration.corrections import (
    lorentz,
    path_transmission,
    polarisation,
    quantum_efficiency,
)
from dxdask.integration.parameters import CorrectionParameters, IntegrationParameters
from dxdask.models import Experiment
from dxdask.models.path_materials import path_absorption, window_of
from dxdask.prediction import PredictionParameters, predict_all


def predict(
    experiment: Experiment,
    prediction: PredictionParameters | None = None,
    *,
    min_zeta: float = 0.0,
    experiment_index: int = 0,
    corrections: CorrectionParameters | None = None,
) -> Reflections:
    """Return the reflections of a crystal that a scan records, and what integrates them.

    Parameters
    ----------
    experiment : with crystal, scan and goniometer. With a profile, reflections that do not reach
        into the scan are excluded, and there are the columns bbox and partiality.
    prediction : None for the defaults.
    min_zeta : reflections of smaller |zeta|, close to the rotation axis, are excluded.
    experiment_index : value of the column `experiment`.
    corrections : those in the columns lp and qe, which are 1 without; None for the defaults.

    Returns
    -------
    Reflections
        As `predict_all` gives them, with the columns lp, qe, and with a profile bbox, partiality.

    Raises
    ------
    InputError
        The experiment has no crystal or is not a rotation.
    """
    goniometer, scan = require_rotation(experiment)
    rays = predict_all(experiment, **dict(prediction or PredictionParameters()))
    rays = select(rays, np.abs(rays["zeta"]) >= min_zeta)
    rays["experiment"][:] = experiment_index
    given, s1 = corrections or CorrectionParameters(), rays["s1"]
    rays["lp"], rays["qe"] = np.ones(len(s1)), np.ones(len(s1))
    if given.lorentz:
        beam, s0 = experiment.beam, experiment.beam.s0
        if beam.s0_at_scan_points is not None:
            s0 = beam.s0_at(rays["z_cal"] - scan.array_range[0])
        rays["lp"] *= lorentz(s1, s0=s0, m2=goniometer.rotation_axis)
    if given.polarisation:
        rays["lp"] /= polarisation(s1, experiment.beam)
    if given.absorption:
        rays["qe"] = quantum_efficiency(s1, rays["panel"], experiment.detector)
    if given.air or given.window:
        rays["qe"] *= _path_transmission(rays, experiment, given)
    if experiment.profile is not None:
        rays = add_boxes(rays, experiment)
    return check(rays)


def _path_transmission(
    rays: Reflections, experiment: Experiment, given: CorrectionParameters
) -> Floats:
    wavelength, window = experiment.beam.wavelength, 0.0
    if given.window is not None:
        material, thickness = window_of(given.window)
        window = path_absorption(material, wavelength) * thickness
    return path_transmission(
        rays["s1"],
        rays["panel"],
        experiment.detector,
        air=path_absorption("air", wavelength) if given.air else 0.0,
        window=window,
    )


def predict_from_parameters(
    experiment: Experiment, parameters: IntegrationParameters, experiment_index: int = 0
) -> Reflections:
    """Return the reflections that `predict` gives with these parameters."""
    return predict(
        experiment,
        parameters.prediction,
        min_zeta=parameters.profile.min_zeta,
        experiment_index=experiment_index,
        corrections=parameters.corrections,
    )

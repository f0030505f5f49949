"""All reflections that crystals give on their detectors: the one function for it."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Reflections, check, concatenate, n_rows
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.prediction.parameters import PredictionParameters
from dxdask.prediction.stills.predict_stills import StillWidths, predict_stills
from dxdask.prediction.sweep import predict_sweep
from dxdask.still_columns import Stills


def predict_all(
    experiments: Experiment | ExperimentList,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
    padding: float = 1.0,
    force_static: bool = False,
    exclude_absences: bool = False,
    stills: Stills | None = None,
    n_sigma: float = 3.0,
    domain_size: float = 1000.0,
    half_mosaicity: float = 0.0,
    bandwidth: float = 0.002,
) -> Reflections:
    """Return all reflections of crystals to a resolution, predicted on their detectors.

    A crystal with scan points varies along its scan: A is linear between them, and each crossing of
    the Ewald sphere is found once, at the angle and with the A that it has there. A reflection is
    on the panel whose pixel absorbs it (DIALS: on the panel that its ray strikes, without parallax,
    so that 1 in 1000 has a position outside the panel).

    Parameters
    ----------
    experiments : one or several, all sweeps or all stills, each with a crystal.
    d_min, d_max : Angstrom, of the column d; d_min None is the highest resolution at the corners of
        the detector.
    padding : degrees by which angles may lie outside the scan.
    force_static : predict a crystal that varies as if it did not.
    exclude_absences : exclude what screw axes and glide planes extinguish too; absences of the
        centring always are.
    stills : rows with columns experiment, image, wavelength, a_matrix, and indexed, domain_size,
        half_mosaicity, bandwidth where known; None: each experiment is a still, with its crystal.
    n_sigma : of a still: the largest excitation error, in standard deviations.
    domain_size, half_mosaicity, bandwidth : Angstrom, degrees, relative full width: of stills for
        which `stills` has none.

    Returns
    -------
    Reflections
        Sorted by experiment, then h, k, l, then angle. Columns experiment, panel, hkl, flags, s1,
        x_cal, y_cal (px), z_cal (images), x_cal_mm, y_cal_mm, d (of the static cell); of a sweep
        entering, phi_cal_rad, zeta; of a still excitation_error, excitation_sigma, partiality, in
        order of stills.

    Raises
    ------
    InputError
        A model is missing, sweeps and stills are mixed, scan points do not match the scan, or the
        limits of resolution are not possible.
    """
    members = (
        ExperimentList.of([experiments]) if isinstance(experiments, Experiment) else experiments
    )
    given = PredictionParameters(
        d_min=d_min,
        d_max=d_max,
        padding=padding,
        force_static=force_static,
        exclude_absences=exclude_absences,
    )
    if not len(members):
        raise InputError("no experiment to predict reflections of; give at least one")
    are_stills = {e.scan is None or e.scan.is_still for e in members}
    if len(are_stills) > 1:
        raise InputError("sweeps and stills differ in columns; predict them separately")
    if stills is not None or True in are_stills:
        widths = StillWidths(domain_size, half_mosaicity, bandwidth)
        return check(predict_stills(members, stills, given, widths, n_sigma=n_sigma))
    tables = []
    for i, experiment in enumerate(members):
        table = predict_sweep(experiment, given)
        tables.append({"experiment": np.full(n_rows(table), i, dtype=np.int32)} | table)
    return check(concatenate(tables))

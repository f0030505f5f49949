"""Parameters of prediction, with the names of dials.predict and of `prediction` in DIALS."""

from __future__ import annotations

from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.parameters import Parameters, parameter


class PredictionParameters(Parameters):
    """Limits of the predicted reflections."""

    d_min: float | None = parameter(
        None,
        "High resolution limit. None: the resolution at the corners of the detector.",
        unit="Angstrom",
        gt=0,
    )
    d_max: float | None = parameter(
        None, "Low resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    padding: float = parameter(
        1.0,
        "Margin outside the scan within which reflections are predicted.",
        unit="degree",
        ge=0,
        le=180,
        expert=1,
    )
    force_static: bool = parameter(
        False, "Predict a crystal that varies along the scan as if it did not.", expert=1
    )
    exclude_absences: bool = parameter(
        False,
        "Exclude what screw axes and glide planes extinguish too, not only absences of the "
        "centring.",
        expert=1,
    )


def require_possible(parameters: PredictionParameters, experiment: Experiment) -> None:
    """Check that reflections within the limits of resolution are possible.

    Raises
    ------
    InputError
        They are beyond half the wavelength, or the limits exclude each other.
    """
    d_min, d_max, wavelength = parameters.d_min, parameters.d_max, experiment.beam.wavelength
    if d_min is not None and d_min < 0.5 * wavelength:
        raise InputError(
            f"run {experiment.run}: d_min={d_min:g} is not possible, at {wavelength:g} Angstrom "
            f"reflections end at {wavelength / 2:g}; give a larger d_min"
        )
    if d_min is not None and d_max is not None and d_max <= d_min:
        raise InputError(f"d_max={d_max:g} must be larger than d_min={d_min:g}; exchange them")

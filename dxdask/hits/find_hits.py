"""The step `hits`: events with enough spots or peaks within the limits of resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import ParameterError
from dxdask.fate import Fate
from dxdask.geometry.scattering import scattering_of
from dxdask.hits.parameters import HitParameters
from dxdask.hits.tables import events_table, hit_rate_table
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.still_columns import Stills, check_stills


def find_hits(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: HitParameters | None = None,
) -> StepResult:
    """Return the hits: events with enough spots within the limits of resolution.

    Parameters
    ----------
    reflections : spots of `find_spots` or peaks of `Peakfinder8`: experiment, panel, x, y, z.
    stills : one row per event: experiment, image, wavelength; the `reason` of events that failed
        before is kept, and an event without a wavelength (NaN, 0) is no hit.
    experiments : one per run.

    Returns
    -------
    StepResult
        reflections as given; arrays : the table of stills with n_spots (within the limits), hit
        and reason; tables : events (not printed) and hit_rate, over the events in order.

    Raises
    ------
    ParameterError
        d_min is not below d_max.
    """
    parameters = parameters or HitParameters()
    check_stills(stills, ("experiment", "image", "wavelength"))
    counts = count_spots(reflections, stills, experiments, parameters)
    hit = counts >= parameters.effective.min_peaks
    reason = np.full(len(counts), Fate.NO_HIT, np.int32)
    if "reason" in stills:
        failed = stills["reason"] < Fate.NO_HIT
        hit, reason = hit & ~failed, np.where(failed, stills["reason"], reason).astype(np.int32)
    unknown = ~(stills["wavelength"] > 0.0) & (reason >= Fate.NO_HIT)
    hit, reason[unknown] = hit & ~unknown, Fate.NO_WAVELENGTH
    reason[hit] = Fate.NOT_INDEXED
    table = {**stills, "n_spots": counts, "hit": hit, "reason": reason}
    n, total = int(hit.sum()), len(hit)
    percent = 100.0 * n / total if total else 0.0
    return StepResult(
        experiments=experiments,
        reflections=reflections,
        arrays=table,
        tables=(hit_rate_table(table, experiments), events_table(table, experiments)),
        messages=(f"{n} of {total} events are hits ({percent:.1f} %)",),
    )


def count_spots(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: HitParameters,
) -> NDArray[np.int32]:
    """Return the number of spots (stills,) of each event within the limits of resolution."""
    low, high = parameters.d_min, parameters.d_max
    if low is not None and high is not None and low >= high:
        raise ParameterError(f"d_min={low:g} is not below d_max={high:g}; exchange them")
    spots = scattering_of(reflections, stills, experiments)
    counts = spots.still >= 0
    length = np.linalg.norm(spots.q, axis=1)
    if low is not None:
        counts &= length <= 1.0 / low
    if high is not None:
        counts &= length >= 1.0 / high
    return np.bincount(spots.still[counts], minlength=len(stills["image"])).astype(np.int32)

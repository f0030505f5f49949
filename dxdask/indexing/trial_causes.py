"""Fits of lattices with other models or spots, each a possible cause of spots that none fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dxdask.columns import Reflections, n_rows, select
from dxdask.indexing.known_symmetry import apply_known_symmetry, cell_text, description
from dxdask.indexing.lattice_fit import indices_near
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.search_beam_position.best_shift import BeamShift, find_beam_shift
from dxdask.indexing.search_beam_position.shifts import centre_text, moved, with_beam_shift
from dxdask.indexing.trial_fit import TrialFit, evenly, trial_fit
from dxdask.models import Experiment, ExperimentList
from dxdask.models.vectors import vector

MOST_SPOTS = 8000
"""Spots of a trial: the search does not become better with more."""
CONVINCING = 0.5
"""Smallest fraction of the spots on a lattice that is named as a cause."""
BETTER, FEWER = 1.5, 0.5
"""A cause convinces where the fraction of spots on the lattice, or well on it, is so many times
that with the models given, or so many times fewer spots are off the lattice."""
RIGHT = 0.8
"""Fraction of the spots on a lattice from which on nothing is wrong with the geometry."""
SCALES = (0.96, 0.98, 1.02, 1.04, 0.94, 1.06)
ENOUGH_SPOTS = 100
SECOND = 0.25
"""Smallest fraction, of spots off the best lattice, on a second one that is named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A change with which a lattice fits.

    Attributes
    ----------
    name : of the kind of cause. fraction : of the spots on the lattice then, less those by chance;
    tight : of those within half the tolerance.
    text : what was found and what to do. experiments : the changed models, where models change.
    """

    name: str
    fraction: float
    tight: float
    text: str
    experiments: ExperimentList | None = None


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %"


Tested = tuple[Cause | None, str]


def _cause(
    name: str, fit: TrialFit | BeamShift, text: str, experiments: ExperimentList | None = None
) -> Cause:
    return Cause(
        name=name, fraction=fit.fraction, tight=fit.tight, text=text, experiments=experiments
    )


def with_inverted_axis(
    spots: Reflections, experiments: ExperimentList, parameters: IndexParameters, now: TrialFit
) -> Tested:
    """Return the fit with the rotation axis inverted."""
    inverted = ExperimentList.of([_inverted(e) for e in experiments])
    fit = trial_fit(spots, inverted, parameters)
    text = (
        f"with the rotation axis inverted a lattice fits {_percent(fit.fraction)} of the spots, "
        f"else {_percent(now.fraction)}: import again with "
        "geometry.goniometer.invert_rotation_axis=true"
    )
    tried = f"the rotation axis inverted ({_percent(fit.fraction)} of the spots on a lattice)"
    return _cause("rotation axis", fit, text, inverted), tried


def with_beam_centre(
    spots: Reflections, experiments: ExperimentList, parameters: IndexParameters, now: TrialFit
) -> Tested:
    """Return the fit with the beam centre moved."""
    search = parameters.geometry_search
    found = find_beam_shift(spots, experiments, parameters, search)
    scope = f"beam centres within {search.mm_search_scope:g} mm"
    if found is None:
        return None, f"{scope} (no lattice)"
    new = with_beam_shift(experiments, found.shift_mm)
    again = trial_fit(spots, new, parameters)
    fit: TrialFit | BeamShift = again if again.tight >= found.tight else found
    fraction = fit.fraction
    first = experiments[0]
    px = found.shift_mm / np.asarray(first.detector[0].pixel_size)
    text = (
        f"with the beam centre moved by {px[0]:+.1f}, {px[1]:+.1f} px (fast, slow) a lattice fits "
        f"{_percent(fraction)} of the spots, else {_percent(now.fraction)}: import again with "
        f"geometry.detector.fast_slow_beam_centre={centre_text(new[0].detector, first.beam.s0)}"
    )
    return _cause("beam centre", fit, text, new), f"{scope} ({_percent(fraction)})"


def beam_centre_cause(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> Cause | None:
    """Return the fit with the best beam centre; None where there is no lattice at any.

    reflections : spots, as `index` takes them.
    """
    some = evenly(reflections, MOST_SPOTS)
    return with_beam_centre(
        some, experiments, parameters, trial_fit(some, experiments, parameters)
    )[0]


def with_distance(
    spots: Reflections, experiments: ExperimentList, parameters: IndexParameters, now: TrialFit
) -> Tested:
    """Return the best fit with another distance."""
    fits = [(trial_fit(spots, _scaled(experiments, scale), parameters), scale) for scale in SCALES]
    fit, scale = max(fits, key=lambda f: f[0].tight)
    fraction = fit.fraction
    distance = scale * experiments[0].detector[0].distance
    text = (
        f"with the distance {100 * (scale - 1):+.0f} % a lattice fits {_percent(fraction)} of the "
        f"spots, else {_percent(now.fraction)}: import again with "
        f"geometry.detector.distance={distance:.2f}"
    )
    cause = _cause("distance", fit, text, _scaled(experiments, scale))
    return cause, f"distances from {min(SCALES) - 1:+.0%} to {max(SCALES) - 1:+.0%} " + (
        f"({_percent(fraction)})"
    )


def with_other_cell(
    _spots: Reflections, _experiments: ExperimentList, parameters: IndexParameters, now: TrialFit
) -> Tested:
    """Return the lattice that fits without the known symmetry, where that does not have it."""
    known = parameters.known_symmetry
    if (known.space_group is None and known.unit_cell is None) or now.a_matrix is None:
        return None, ""
    if now.fraction < CONVINCING:
        return None, f"no known cell ({_percent(now.fraction)})"
    if apply_known_symmetry(now.a_matrix, known) is not None:
        return None, ""
    text = (
        f"without the {description(known)} a lattice of the reduced cell {cell_text(now.a_matrix)} "
        f"fits {_percent(now.fraction)} of the spots: give another cell or none"
    )
    return _cause("cell", now, text), ""


def with_several_crystals(
    spots: Reflections, experiments: ExperimentList, parameters: IndexParameters, now: TrialFit
) -> Tested:
    """Return whether runs have lattices of their own, or the spots a second lattice."""
    runs = experiments.runs
    if len(runs) > 1:
        alone = [trial_fit(*_of_run(spots, experiments, run), parameters) for run in runs]
        fraction = float(np.mean([f.fraction for f in alone]))
        each = ", ".join(
            f"{run} {_percent(f.fraction)}" for run, f in zip(runs, alone, strict=True)
        )
        if fraction >= max(CONVINCING, BETTER * now.fraction):
            text = (
                f"each run by its own has a lattice that fits ({each} of the spots), one of all "
                f"{_percent(now.fraction)}: use indexing.joint_indexing=auto or false"
            )
            tight = float(np.mean([f.tight for f in alone]))
            return Cause(name="several crystals", fraction=fraction, tight=tight, text=text), ""
        return None, f"each run by its own ({each})"
    if now.a_matrix is None or now.fraction < SECOND:
        return None, ""
    rlp = map_centroids(spots, experiments)["rlp"]
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    left = select(spots, ~indices_near(now.a_matrix, rlp, tolerance)[1])
    second = second_lattice(left, experiments, parameters)
    if second is None:
        return None, "a second lattice among the spots off the best one"
    text = f"the best lattice fits {_percent(now.fraction)} of the spots, and {second}"
    return _cause("several crystals", now, text), ""


def second_lattice(
    left: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> str | None:
    """Return, in words, that spots which are not on a lattice are on another; None otherwise."""
    some = evenly(left, MOST_SPOTS)
    second = trial_fit(some, experiments, parameters)
    if second.fraction < SECOND or n_rows(left) < ENOUGH_SPOTS:
        return None
    return (
        f"another lattice {_percent(second.fraction)} of the {n_rows(left)} others: the crystal is "
        "split or there are several; use indexing.multiple_lattice_search.max_lattices=2"
    )


def with_few_spots(n: int) -> Cause:
    """Return the cause of few spots."""
    text = (
        f"{n} spots are few to find a lattice: lower the threshold of find_spots, use more images, "
        "or give indexing.known_symmetry.unit_cell"
    )
    return Cause(name="few spots", fraction=0.0, tight=0.0, text=text)


def _of_run(
    spots: Reflections, experiments: ExperimentList, run: str
) -> tuple[Reflections, ExperimentList]:
    ids = [i for i, m in enumerate(experiments.members) if m.run == run]
    part = select(spots, np.isin(spots["experiment"], ids))
    part["experiment"] = np.searchsorted(ids, part["experiment"]).astype(np.int32)
    return part, ExperimentList.of([experiments[i] for i in ids])


def _inverted(experiment: Experiment) -> Experiment:
    goniometer = experiment.goniometer
    if goniometer is None:
        return experiment
    axes = list(goniometer.axes)
    axes[goniometer.scan_axis] = vector(-np.asarray(axes[goniometer.scan_axis]))
    return replace(experiment, goniometer=replace(goniometer, axes=tuple(axes)))


def _scaled(experiments: ExperimentList, scale: float) -> ExperimentList:
    """Return the experiments with the distances of their detectors scaled."""
    detectors = []
    for detector in experiments.detectors:
        first = detector[0]
        along = (scale - 1.0) * float(np.asarray(first.origin) @ first.normal) * first.normal
        detectors.append(moved(detector, along))
    return replace(experiments, detectors=tuple(detectors))

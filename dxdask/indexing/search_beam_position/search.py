"""Search for the beam centre at which the spots of sweeps are on a lattice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.geometry.required import require_rotation
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids, without_crystals
from dxdask.indexing.search_beam_position.best_shift import find_beam_shift
from dxdask.indexing.search_beam_position.inversion import centre_of_inversion
from dxdask.indexing.search_beam_position.parameters import (
    ON_FRAMES,
    SearchBeamPositionParameters,
)
from dxdask.indexing.search_beam_position.projection import shift_on_image
from dxdask.indexing.search_beam_position.shifts import (
    beam_centre,
    hit_panel,
    with_beam_shift,
)
from dxdask.indexing.trial_fit import evenly, trial_fit
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table

FEWEST_SPOTS = 30
UNCERTAINTIES = ("uncertainty_fast_px", "uncertainty_slow_px")


def search_beam_position(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: SearchBeamPositionParameters,
    indexing: IndexParameters | None = None,
    *,
    images: Mapping[str, Floats] | None = None,
) -> StepResult:
    """Return the experiments with the beam centre at which most spots are on a lattice.

    The detector is moved, the beam stays. One shift is found for each detector, from the run with
    the most spots on it.

    Parameters
    ----------
    reflections : spots: columns experiment, panel, flags, x, y, z and their variances.
    experiments : rotation data. parameters : see `SearchBeamPositionParameters`.
    indexing : limits of the cell and tolerances of indices; None for the defaults.
    images : for the methods midpoint and maximum, the mean image of each run by its name, (slow,
        fast) of the stored frame, counts, NaN where none is measured.

    Returns
    -------
    StepResult
        Experiments without crystals; no reflections; table `beam_centres` of the centre of each run
        before and after, by the methods on frames with uncertainties, and the fractions of spots
        on the best lattice at both.

    Raises
    ------
    InputError
        Stills; fewer than 30 spots, or a method on frames without images.
    ConvergenceError
        No lattice is found at any centre, or the images do not determine it.
    """
    for e in experiments:
        require_rotation(e)
    on_frames = parameters.method in ON_FRAMES
    if on_frames and images is None:
        raise InputError(
            f"method={parameters.method} needs the mean image of each run: give images"
        )
    if n_rows(reflections) < FEWEST_SPOTS and not on_frames:
        raise InputError(
            f"{n_rows(reflections)} spots are too few to search for the beam centre, which needs "
            f"{FEWEST_SPOTS}: lower the threshold of find_spots"
        )
    given = indexing or IndexParameters()
    if parameters.max_cell is not None:
        given = given.model_copy(update={"max_cell": parameters.max_cell})
    start = without_crystals(experiments)
    now, rows = start, []
    for number in range(len(start.detectors)):
        used, runs = _of_detector(reflections, start, number)
        shift = np.zeros(2)
        uncertainty: list[float] | None = None
        for _ in range(parameters.n_macro_cycles):
            part, alone = _only_run(used, now, runs[0])
            if on_frames and images is not None:
                image, settings = images[runs[0]], parameters.projection
                seen = shift_on_image(image, alone[0], parameters.method, settings)
                shift, uncertainty = shift + seen.mm, seen.uncertainty_px.tolist()
            else:
                shift = shift + _shift(part, alone, parameters, given)
            now = _moved(start, now, number, shift)
        rows += _rows(reflections, start, now, runs, shift, given, uncertainty)
    return StepResult(
        experiments=now,
        reflections={},
        tables=(_table(rows),),
        messages=tuple(_message(row) for row in rows),
    )


def _of_detector(
    reflections: Reflections, experiments: ExperimentList, number: int
) -> tuple[Reflections, list[str]]:
    """Return the spots on a detector, and its runs, that with the most spots first."""
    mine = np.array([m.detector == number for m in experiments.members])
    runs = list(dict.fromkeys(m.run for m in experiments.members if m.detector == number))
    names = np.array([m.run for m in experiments.members])
    table = select(reflections, mine[reflections["experiment"]])
    counts = {run: int(np.count_nonzero(names[table["experiment"]] == run)) for run in runs}
    return table, sorted(runs, key=lambda run: -counts[run])


def _only_run(
    table: Reflections, experiments: ExperimentList, run: str
) -> tuple[Reflections, ExperimentList]:
    """Return the spots and experiments of one run."""
    ids = [i for i, m in enumerate(experiments.members) if m.run == run]
    part = select(table, np.isin(table["experiment"], ids))
    part["experiment"] = np.searchsorted(ids, part["experiment"]).astype(np.int32)
    return part, ExperimentList.of([experiments[i] for i in ids])


def _shift(
    part: Reflections, experiments: ExperimentList, parameters: SearchBeamPositionParameters,
    indexing: IndexParameters,
) -> Floats:  # fmt: skip
    """Return the shift (2,), mm, found in one cycle.

    Raises
    ------
    ConvergenceError
        None is found.
    """
    if parameters.d_min is not None:
        rlp = map_centroids(part, experiments)["rlp"]
        part = select(part, np.einsum("ij,ij->i", rlp, rlp) <= 1.0 / parameters.d_min**2)
    if parameters.method == "inversion":
        return centre_of_inversion(part, experiments, parameters)
    found = find_beam_shift(part, experiments, indexing, parameters)
    if found is None:
        raise ConvergenceError(
            f"no lattice was found in {n_rows(part)} spots of {experiments.runs[0]} whatever the "
            "beam centre: give max_cell, or check the rotation axis and the distance"
        )
    return found.shift_mm


def _moved(
    start: ExperimentList, now: ExperimentList, number: int, shift: Floats
) -> ExperimentList:
    """Return `now` with one detector at that of `start` shifted."""
    detectors = list(now.detectors)
    detectors[number] = with_beam_shift(start, shift).detectors[number]
    return replace(now, detectors=tuple(detectors))


def _rows(
    reflections: Reflections, before: ExperimentList, after: ExperimentList, runs: list[str],
    shift: Floats, indexing: IndexParameters, uncertainty: list[float] | None,
) -> list[dict[str, object]]:  # fmt: skip
    """Return the rows of the table for the runs of one detector."""
    rows = []
    for run in [r for r in before.runs if r in runs]:
        part, first = _only_run(reflections, before, run)
        part, last = evenly(part, 10_000), _only_run(part, after, run)[1]
        panel = hit_panel(last[0].detector, last[0].beam.s0)
        centres = [beam_centre(x[0].detector, x[0].beam.s0, panel) for x in (first, last)]
        fits = [trial_fit(part, x, indexing).fraction for x in (first, last)]
        known = {} if uncertainty is None else dict(zip(UNCERTAINTIES, uncertainty, strict=True))
        rows.append(
            {
                "run": run,
                "n_spots": n_rows(part),
                "panel": panel,
                "fast_px_before": float(centres[0][0]),
                "slow_px_before": float(centres[0][1]),
                "fast_px": float(centres[1][0]),
                "slow_px": float(centres[1][1]),
                **known,
                "shift_fast_mm": float(shift[0]),
                "shift_slow_mm": float(shift[1]),
                "percent_before": 100.0 * fits[0],
                "percent": 100.0 * fits[1],
            }
        )
    return rows


def _message(row: dict[str, object]) -> str:
    known = [f" +- {row[name]:.2f}" if name in row else "" for name in UNCERTAINTIES]
    return (
        f"Beam centre of {row['run']}: {row['fast_px']:.2f}{known[0]}, "
        f"{row['slow_px']:.2f}{known[1]} px (fast, slow), "
        f"was {row['fast_px_before']:.2f}, {row['slow_px_before']:.2f}; a lattice fits "
        f"{row['percent']:.0f} % of the spots, before {row['percent_before']:.0f} %"
    )


def _table(rows: list[dict[str, object]]) -> Table:
    headings = {
        "run": ("Run", ""),
        "n_spots": ("spots", ""),
        "panel": ("Panel", ""),
        "fast_px_before": ("fast before\n(px)", ".2f"),
        "slow_px_before": ("slow before\n(px)", ".2f"),
        "fast_px": ("fast\n(px)", ".2f"),
        "slow_px": ("slow\n(px)", ".2f"),
        "uncertainty_fast_px": ("uncertainty\nfast (px)", ".2f"),
        "uncertainty_slow_px": ("uncertainty\nslow (px)", ".2f"),
        "shift_fast_mm": ("shift fast\n(mm)", ".3f"),
        "shift_slow_mm": ("shift slow\n(mm)", ".3f"),
        "percent_before": ("on lattice\nbefore (%)", ".1f"),
        "percent": ("on lattice\n(%)", ".1f"),
    }
    return Table(name="beam_centres", title="Beam centres", rows=rows, headings=headings)

"""The step `linearity`: intensities of the same reflections at several transmissions, relative to
a reference run.

The ratio to the run of full transmission is the transmission, at all intensities, if the detector
is linear.
"""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.analysis.parameters import LinearityParameters
from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag, select
from dxdask.errors import InputError, ParameterError
from dxdask.models import ExperimentList
from dxdask.models.symmetry import asu_indices, pack
from dxdask.results import StepResult
from dxdask.tables import Table

Rows = NDArray[np.int64]

NEEDED = ("experiment", "hkl", "flags", "x_cal", "y_cal", "z_cal")
PAIR_COLUMNS = ("pair_intensity", "pair_reference", "pair_image", "pair_panel")
# flags required of, and excluded from, summed intensities and those of fitted profiles
FLAGS = {
    "sum": (
        Flag.INTEGRATED_SUM,
        Flag.OVERLOADED
        | Flag.OVERLAPPED_FG
        | Flag.FOREGROUND_INCLUDES_BAD_PIXELS
        | Flag.FAILED_DURING_SUMMATION,
    ),
    "prf": (
        Flag.INTEGRATED_PRF,
        Flag.OVERLOADED | Flag.OVERLAPPED_FG | Flag.FAILED_DURING_PROFILE_FITTING,
    ),
}
HEADINGS = {
    "transmission": ("transmission", ".4g"),
    "n": ("n", "d"),
    "mean": ("mean", ".5f"),
    "median": ("median", ".5f"),
    "sum_ratio": ("sum/sum", ".5f"),
    "sum_ratio_su": ("s.u.", ".5f"),
}


@njit(cache=True, nogil=True, error_model="numpy")
def _match(
    key: Any, xyz: Any, reference_key: Any, reference_xyz: Any, limits: Any, out: Any
) -> None:
    j = 0
    for i in range(len(key)):
        while j < len(reference_key) and reference_key[j] < key[i]:
            j += 1
        k, best = j, 1.0
        while k < len(reference_key) and reference_key[k] == key[i]:
            far = 0.0
            for a in range(3):
                far = max(far, abs(xyz[i, a] - reference_xyz[k, a]) / limits[a])
            if far < best:
                best, out[i] = far, k
            k += 1


def match(
    reflections: Reflections, reference: Reflections, group: gemmi.SpaceGroup, limits: Floats
) -> tuple[Rows, Rows]:
    """Return rows (m,) of both tables that are the same reflection at the same position.

    Parameters
    ----------
    reflections, reference : hkl, x_cal, y_cal, z_cal.
    group : indices related by its symmetry are the same (two runs may be indexed differently).
    limits : (3,) largest differences along x, y (px) and z (images); the nearest match is used.
    """
    ordered = []
    for table in (reflections, reference):
        key = pack(asu_indices(table["hkl"], group)[0])
        order = np.argsort(key, kind="stable")
        ordered.append(
            (
                order,
                key[order],
                np.stack([table[c][order] for c in ("x_cal", "y_cal", "z_cal")], axis=1),
            )
        )
    (mine, key, xyz), (others, reference_key, reference_xyz) = ordered
    found = np.full(len(key), -1, dtype=np.int64)
    _match(key, xyz, reference_key, reference_xyz, limits, found)
    matched = found >= 0
    return mine[matched], others[found[matched]]


def linearity(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: LinearityParameters | None = None,
) -> StepResult:
    """Return the ratios of intensities to those of the same reflections in a reference run.

    Parameters
    ----------
    reflections : integrated: experiment, hkl, flags, x_cal, y_cal, z_cal, intensity_sum (or
        intensity_prf) and its variance (and partiality, where known).
    experiments : their runs, with transmissions and crystals.
    parameters : the reference run, and the selection of reflections.

    Returns
    -------
    StepResult
        no reflections; table `ratios`, a row a run: transmission, number, mean and median of the
        ratios I / I_reference, and the ratio of the sums with its standard uncertainty, from the
        variances of the intensities; arrays `pair_offsets` (n_runs + 1,),
        `pair_intensity` and `pair_reference` (n_pairs,), the pairs of each run, counts, with
        `pair_image` (n_pairs,) int32, the number of the image in that run, and, where the column
        `panel` is known, `pair_panel` (n_pairs,) int16.

    Raises
    ------
    ParameterError
        There is no run with the name of the reference.
    InputError
        The reference run has no selected reflection.
    """
    parameters = parameters or LinearityParameters()
    column = f"intensity_{parameters.intensity}"
    variance = f"{column}_variance"
    needed = (*NEEDED, column, variance)
    check({k: reflections[k] for k in needed if k in reflections}, needed)
    runs = experiments.runs
    transmissions = [
        float(next(e for e in experiments if e.run == run).beam.transmission) for run in runs
    ]
    reference = _reference(runs, transmissions, parameters)
    strong, good = _selections(reflections, parameters)
    fair = parameters.selection == "expected"
    run_of = experiments.run_indices[reflections["experiment"]]
    base = select(reflections, strong & (run_of == reference))
    if not len(base["hkl"]):
        raise InputError(
            f"run {runs[reference]!r} has no integrated reflection with I/sigma > "
            f"{parameters.i_over_sigma:g} to "
            "compare with: integrate it first, lower i_over_sigma or name another reference"
        )
    group = next(
        (e.crystal.gemmi_space_group for e in experiments if e.crystal is not None),
        gemmi.SpaceGroup(1),
    )
    limits = np.array([parameters.max_separation_px] * 2 + [parameters.max_separation_images])
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[NDArray[Any], ...]] = []
    for i, run in enumerate(runs):
        mine = select(
            reflections, (strong if parameters.selection == "both" else good) & (run_of == i)
        )
        at, others = match(mine, base, group, limits)
        if fair and i != reference:
            ratio = transmissions[i] / transmissions[reference]
            keep = _expected_strong(mine, at, ratio * base[column][others], parameters)
            at, others = at[keep], others[keep]
        own, full = mine[column][at], base[column][others]
        variances = (mine[variance][at], base[variance][others])
        pairs.append((own, full, *_places(mine, at)))
        rows.append({"run": run, "transmission": transmissions[i], **_ratios(own, full)})
        rows[-1]["sum_ratio_su"] = 0.0 if i == reference else _uncertainty(own, full, *variances)
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays={
            "pair_offsets": np.cumsum([0] + [len(p[0]) for p in pairs]),
            **{
                name: np.concatenate(parts)
                for name, parts in zip(PAIR_COLUMNS, zip(*pairs, strict=True), strict=False)
            },
        },
        tables=(
            Table(
                name="ratios",
                title=f"Intensities, photons, against run {runs[reference]}",
                rows=rows,
                headings=HEADINGS,
            ),
        ),
        messages=(f"Reference run: {runs[reference]}, {len(base['hkl'])} reflections",),
    )


def _expected_strong(
    table: Reflections, rows: Rows, expected: Floats, parameters: LinearityParameters
) -> NDArray[np.bool_]:
    """Return True (m,) for rows whose expected intensity is strong enough.

    A limit of the measured intensity keeps what fluctuates upwards. What is expected follows from
    the reference and the transmissions; its variance has the counts expected beside the background.

    expected : (m,) intensity of these rows.
    """
    column = f"intensity_{parameters.intensity}"
    measured, variance = table[column][rows], table[f"{column}_variance"][rows]
    background = np.maximum(variance - np.maximum(measured, 0.0), 0.0)
    sigma = np.sqrt(np.maximum(expected, 0.0) + background)
    return np.asarray(expected > parameters.i_over_sigma * sigma)


def _places(table: Reflections, rows: Rows) -> tuple[NDArray[Any], ...]:
    """Return the image of these rows, and the panel, where it is known."""
    image = (np.floor(table["z_cal"][rows]) + 1).astype(np.int32)
    return (image, table["panel"][rows].astype(np.int16)) if "panel" in table else (image,)


def _reference(
    runs: tuple[str, ...], transmissions: list[float], parameters: LinearityParameters
) -> int:
    if parameters.reference is None:
        return int(np.argmax(transmissions))
    if parameters.reference not in runs:
        raise ParameterError(
            f"reference: no run {parameters.reference!r}; there are {', '.join(runs)}"
        )
    return runs.index(parameters.reference)


def _selections(
    reflections: Reflections, parameters: LinearityParameters
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return True (n,) for reflections that are well integrated and strong, and for those that are
    well integrated.
    """
    done, bad = FLAGS[parameters.intensity]
    column = f"intensity_{parameters.intensity}"
    good = has_flag(reflections, done) & ~has_flag(reflections, bad)
    good &= reflections[f"{column}_variance"] > 0
    if "partiality" in reflections:
        good &= reflections["partiality"] >= parameters.partiality_threshold
    sigma = np.sqrt(np.where(good, reflections[f"{column}_variance"], 1.0))
    return good & (reflections[column] > parameters.i_over_sigma * sigma), good


def _ratios(own: Floats, full: Floats) -> dict[str, Any]:
    if not len(own):
        return {"n": 0, "mean": None, "median": None, "sum_ratio": None}
    ratio = own / full
    return {
        "n": len(own),
        "mean": float(ratio.mean()),
        "median": float(np.median(ratio)),
        "sum_ratio": float(own.sum() / full.sum()),
    }


def _uncertainty(
    own: Floats, full: Floats, own_variance: Floats, full_variance: Floats
) -> float | None:
    """Return the standard uncertainty of sum own / sum full, of independent intensities (n,)."""
    if not len(own):
        return None
    ratio = own.sum() / full.sum()
    return float(np.sqrt(own_variance.sum() + ratio**2 * full_variance.sum()) / abs(full.sum()))

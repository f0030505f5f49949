"""The step `merge` of stills, in memory."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.merging.stills.ambiguity import resolve_ambiguity
from dxdask.merging.stills.cycles import PostRefined, post_refine
from dxdask.merging.stills.fit import B_FACTOR, MOSAIC, RADIUS, ROTATION, SCALE, STRETCH
from dxdask.merging.stills.means import Means, merged_means
from dxdask.merging.stills.observations import StillObservations, observations_of, of_stills
from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.merging.stills.rejection import agreement_of, rejected
from dxdask.merging.stills.statistics import HEADINGS, deviations, statistics_of
from dxdask.merging.stills.tables import cycles_table, stills_table
from dxdask.merging.tables import MergedIntensities, merging_tables
from dxdask.models import ExperimentList
from dxdask.models.rotations import rotation_matrices
from dxdask.results import StepResult
from dxdask.scaling.observations import common_symmetry
from dxdask.still_columns import Stills
from dxdask.tables import Table


def merge_stills(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: StillsMergingParameters | None = None,
) -> StepResult:
    """Post-refine stills and merge their observations, weighted by their modelled errors.

    An indexing ambiguity, by a lattice of higher symmetry than the crystal, is resolved first.

    Parameters
    ----------
    reflections : integrated: experiment, z (image + 0.5), hkl, flags, intensity_sum,
        intensity_sum_variance (and lp, qe where known).
    stills : experiment, image, wavelength, indexed, a_matrix.
    experiments : runs, with a crystal of the common cell and symmetry, and the beam direction.
    parameters : None for the defaults.

    Returns
    -------
    StepResult
        reflections: hkl in the asymmetric unit, d, intensity, sigma, n_observations and partiality,
        the largest of the observations. arrays: the table of stills with scale, b_factor,
        rlp_radius, rlp_mosaicity and the refined a_matrix of the stills that were merged (scale is
        nan for the others), and cc_to_others, also of the stills rejected by it. tables: `cycles`,
        `stills`, `shells`, `overall` and `ambiguity`.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        There is no crystal, symmetries differ, or nothing can be merged.
    """
    parameters = parameters or StillsMergingParameters()
    cell, group = common_symmetry(experiments)
    resolved = resolve_ambiguity(reflections, stills, experiments, parameters)
    stills = resolved.stills
    o = observations_of(resolved.reflections, stills, experiments, cell, group, parameters)
    o, refined, cc = _agreeing(o, parameters)
    used = refined.model.partiality >= parameters.min_partiality
    if not used.any():
        raise InputError(
            f"no observation of {len(used)} has a partiality of min_partiality="
            f"{parameters.min_partiality}: lower it"
        )
    table, tables = _merged(o, refined, used, cell, group, parameters)
    messages = (
        f"Post-refined {len(o.stills)} stills in {refined.n_cycles} cycles; rejected "
        f"{len(cc) - len(o.stills)} that do not agree with the others",
        f"Merged {int(table['n_observations'].sum())} observations to {len(table['d'])} unique "
        f"reflections of space group {group.xhm()}",
    )
    out = _refined_table(stills, o, refined)
    out["cc_to_others"] = np.full(len(stills["indexed"]), np.nan)
    out["cc_to_others"][list(cc)] = list(cc.values())
    of_stills = stills_table(out, experiments, o, refined, cc)
    return StepResult(
        experiments=experiments,
        reflections=table,
        arrays=out,
        messages=messages,
        tables=(cycles_table(refined.progress), of_stills, *tables, resolved.table),
    )


def _agreeing(
    o: StillObservations, parameters: StillsMergingParameters
) -> tuple[StillObservations, PostRefined, dict[int, float]]:
    """Return the observations of stills that agree with the others, post-refined.

    And the correlation of all stills with the others, by row of the table of stills.
    """
    refined = post_refine(o, parameters.post_refinement)
    agreement = agreement_of(o, refined.model, refined.means, refined.expected)
    cc = dict(zip(o.stills.tolist(), agreement.cc.tolist(), strict=True))
    bad = rejected(agreement, parameters.min_cc)
    if bad.all():
        raise InputError(
            f"no still of {len(bad)} agrees with the others (min_cc={parameters.min_cc}): check "
            "the symmetry, resolve an indexing ambiguity, or set min_cc=None"
        )
    if bad.any():
        o = of_stills(o, ~bad)
        refined = post_refine(o, parameters.post_refinement)
    return o, refined, cc


def _merged(
    o: StillObservations,
    refined: PostRefined,
    used: Mask,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    parameters: StillsMergingParameters,
) -> tuple[Reflections, tuple[Table, Table]]:
    """Return the merged reflections and the tables of statistics."""
    nu = parameters.post_refinement.degrees_of_freedom
    means, even, odd = (
        _means(o, refined, used & half, nu)
        for half in (np.ones(len(o.still), np.bool_), o.still % 2 == 0, o.still % 2 == 1)
    )
    merged = means.n > 0
    if parameters.prior == "wilson":
        intensity, sigma = means.full[merged], means.sigma[merged]
    else:
        intensity = means.top[merged] / means.bottom[merged]
        sigma = means.bottom[merged] ** -0.5
    table: Reflections = {
        "hkl": o.hkl[merged],
        "d": o.d[merged],
        "intensity": intensity,
        "sigma": sigma,
        "n_observations": means.n[merged].astype(np.int32),
        "partiality": _largest_partiality(o, refined, used)[merged],
    }
    sums = deviations(o, refined.model, means, used)
    return table, merging_tables(
        MergedIntensities(table["d"], means.n[merged].astype(np.float64), intensity, sigma),
        statistics_of(merged, sums, even, odd),
        cell,
        group,
        n_shells=parameters.merging.nbins,
        headings=HEADINGS,
    )


def _largest_partiality(o: StillObservations, refined: PostRefined, used: Mask) -> Floats:
    """Return the largest partiality (m,) among the observations of each reflection."""
    best = np.zeros(len(o.hkl))
    np.maximum.at(best, o.place[used], refined.model.partiality[used])
    return best


def _means(o: StillObservations, refined: PostRefined, used: Mask, nu: float) -> Means:
    every = np.arange(len(o.hkl))
    now = refined.means
    return merged_means(every, o, refined.model, used, now.full, now.square, refined.expected, nu)


def _refined_table(stills: Stills, o: StillObservations, refined: PostRefined) -> Stills:
    """Return the table of stills with the refined parameters of those that were merged."""
    n, theta = len(stills["indexed"]), refined.fitted.theta
    out = dict(stills)
    for name, values in (
        ("scale", np.exp(theta[:, SCALE])),
        ("b_factor", theta[:, B_FACTOR]),
        ("rlp_radius", np.exp(theta[:, RADIUS])),
        ("rlp_mosaicity", np.degrees(np.sqrt(np.maximum(theta[:, MOSAIC], 0.0)))),
    ):
        out[name] = np.full(n, np.nan)
        out[name][o.stills] = values
    rotation = np.einsum("nk,nki->ni", theta[:, ROTATION : ROTATION + 2], o.axes)
    moved = rotation_matrices(rotation) @ stills["a_matrix"][o.stills]
    out["a_matrix"] = stills["a_matrix"].copy()
    out["a_matrix"][o.stills] = moved * (1.0 + theta[:, STRETCH])[:, None, None]
    return out

"""The merging of stills: integrated reflections in, unique ones and statistics out."""

from __future__ import annotations

from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.merging.stills.ambiguity import resolve_ambiguity
from dxdask.merging.stills.cycles import PostRefined, post_refine
from dxdask.merging.stills.fit import B_FACTOR, MOSAIC, RADIUS, SCALE, STRETCH, TURN
from dxdask.merging.stills.means import Means, merged_means
from dxdask.merging.stills.observations import Observations, observations_of, of_stills
from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.merging.stills.rejection import agreement_of, rejected
from dxdask.merging.stills.statistics import deviations, merging_tables
from dxdask.merging.stills.tables import cycles_table, stills_table
from dxdask.models import ExperimentList
from dxdask.models.rotations import rotation_matrices
from dxdask.results import StepResult
from dxdask.scaling.observations import common_symmetry
from dxdask.still_columns import Stills
from dxdask.tables import Table


class MergedStills(NamedTuple):
    """The result of the step, and the table of stills with what was refined of them."""

    result: StepResult
    stills: Stills


def merge_stills(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: StillsMergingParameters | None = None,
) -> MergedStills:
    """Post-refine stills and merge them, each observation at the weight that it deserves.

    First they are brought to one setting, where the lattice allows several.

    Parameters
    ----------
    reflections : integrated: experiment, z (image + 0.5), hkl, flags, intensity_sum,
        intensity_sum_variance (and lp, qe where known).
    stills : experiment, image, wavelength, indexed, a_matrix.
    experiments : runs, with a crystal of the common cell and symmetry, and the beam's direction.
    parameters : which observations, and how.

    Returns
    -------
    MergedStills
        The result's reflections: hkl in the asymmetric unit, d, intensity, sigma, n_observations
        and the partiality of the most complete of these; its tables `cycles`, `stills`, `shells`,
        `overall` and `ambiguity`. Of stills that were merged the table has scale, b_factor,
        rlp_radius, rlp_mosaicity and the turned and stretched a_matrix; of others, scale is nan.
        cc_to_others is also of those left out for it.

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
        f"Post-refined {len(o.stills)} stills in {refined.n_cycles} cycles; left out "
        f"{len(cc) - len(o.stills)} that do not agree with the others",
        f"Merged {int(table['n_observations'].sum())} observations to {len(table['d'])} unique "
        f"reflections of space group {group.xhm()}",
    )
    out = _refined_table(stills, o, refined)
    out["cc_to_others"] = np.full(len(stills["indexed"]), np.nan)
    out["cc_to_others"][list(cc)] = list(cc.values())
    of_stills = stills_table(out, experiments, o, refined, cc)
    result = StepResult(
        experiments=experiments, reflections=table, messages=messages,
        tables=(cycles_table(refined.progress), of_stills, *tables, resolved.table),
    )  # fmt: skip
    return MergedStills(result, out)


def _agreeing(
    o: Observations, parameters: StillsMergingParameters
) -> tuple[Observations, PostRefined, dict[int, float]]:
    """Return observations of stills that agree with the others, post-refined without the rest.

    And by row of the table of stills, how they agreed.
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
    o: Observations, refined: PostRefined, used: NDArray[np.bool_], cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup, parameters: StillsMergingParameters,
) -> tuple[Reflections, tuple[Table, Table]]:  # fmt: skip
    """Return the merged reflections and the tables of statistics."""
    nu = parameters.post_refinement.degrees_of_freedom
    means, even, odd = (
        _means(o, refined, used & half, nu)
        for half in (np.ones(len(o.still), np.bool_), o.still % 2 == 0, o.still % 2 == 1)
    )
    seen = means.n > 0
    bottom = np.where(seen, means.bottom, 1.0)
    wilson = parameters.prior == "wilson"
    columns = {
        "n": means.n.astype(np.float64),
        "intensity": means.full if wilson else means.top / bottom,
        "sigma": means.sigma if wilson else bottom**-0.5,
        **deviations(o, refined.model, means, used),
    }
    table: Reflections = {
        "hkl": o.hkl[seen],
        "d": o.d[seen],
        "intensity": columns["intensity"][seen],
        "sigma": columns["sigma"][seen],
        "n_observations": means.n[seen].astype(np.int32),
        "partiality": _best_recorded(o, refined, used)[seen],
    }
    n_shells = parameters.merging.nbins
    return table, merging_tables(o, columns, (even, odd), cell, group, n_shells)


def _best_recorded(o: Observations, refined: PostRefined, used: NDArray[np.bool_]) -> Floats:
    """Return the largest partiality (m,) among the observations of each reflection."""
    best = np.zeros(len(o.hkl))
    np.maximum.at(best, o.place[used], refined.model.partiality[used])
    return best


def _means(o: Observations, refined: PostRefined, used: NDArray[np.bool_], nu: float) -> Means:
    every = np.arange(len(o.hkl))
    now = refined.means
    return merged_means(every, o, refined.model, used, now.full, now.square, refined.expected, nu)


def _refined_table(stills: Stills, o: Observations, refined: PostRefined) -> Stills:
    """Return the table of stills with the parameters of those that were merged."""
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
    turn = np.einsum("nk,nki->ni", theta[:, TURN : TURN + 2], o.axes)
    moved = rotation_matrices(turn) @ stills["a_matrix"][o.stills]
    out["a_matrix"] = stills["a_matrix"].copy()
    out["a_matrix"][o.stills] = moved * (1.0 + theta[:, STRETCH])[:, None, None]
    return out

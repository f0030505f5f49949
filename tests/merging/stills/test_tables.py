"""Each number of the tables of merging against plain sums of what was merged."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.integrated_stills import CELL, Simulated, simulated

from dxdask.arrays import Floats
from dxdask.merging.stills import StillsMergingParameters, merge_stills
from dxdask.merging.stills.cycles import PostRefined, post_refine
from dxdask.merging.stills.observations import StillObservations, observations_of
from dxdask.merging.stills.wilson import posterior
from dxdask.models.symmetry import possible_reflections, spacings
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

GROUP = gemmi.SpaceGroup("P 43 21 2")
NU, N_SHELLS, LEAST = 4.0, 4, 0.1
PARAMETERS = StillsMergingParameters.model_validate(
    {"min_partiality": LEAST, "merging": {"nbins": N_SHELLS}}
)
Made = tuple[Simulated, StillObservations, PostRefined, StepResult]


@pytest.fixture(scope="module")
def made() -> Made:
    data = simulated()
    o = observations_of(
        data.reflections, data.stills, data.experiments, gemmi.UnitCell(*CELL), GROUP, PARAMETERS
    )
    refined = post_refine(o, PARAMETERS.post_refinement)
    merged = merge_stills(data.reflections, data.stills, data.experiments, PARAMETERS)
    return data, o, refined, merged


def mean_of(
    o: StillObservations, r: PostRefined, h: int, rows: NDArray[np.int64]
) -> tuple[float, ...]:
    """Return the merged intensity of a reflection from these observations, and its sigma."""
    m, f = r.model, max(r.means.full[h], 0.0)
    square = r.means.other[rows] ** 2 + r.means.other_variance[rows]
    of_model = m.error[rows] ** 2 * np.maximum(f**2, square) + m.fitted[rows]
    counted = o.variance[rows] + o.slope[rows] * m.scale[rows] * m.partiality[rows] * f
    variance = counted / m.scale[rows] ** 2 + of_model
    p = m.partiality[rows]
    information = m.weight[rows] / variance * p**2
    total = information.sum()
    alone = (information**2).sum() / total**2
    student = 5 / 7 - (5 / 7 - 2 / 5) * alone
    part = (information * of_model / variance).sum() / total
    share = part * student + (1 - part) * (1 - alone / 5)
    whole = (information * o.intensity[rows] / m.scale[rows] / p).sum() / total
    value, spread = posterior(share * total * whole, share * total, r.expected[h])
    return value, spread**0.5


def expected_row(
    o: StillObservations, r: PostRefined, inside: Floats, possible: int
) -> dict[str, Any]:
    """Return the expected row of the table for the unique reflections `inside`."""
    used = r.model.partiality >= LEAST
    whole = o.intensity / (r.model.scale * r.model.partiality)
    n_obs, ratio, halves, sums = 0, [], [], np.zeros(4)
    for h in np.flatnonzero(inside):
        rows = o.order[o.bounds[h] : o.bounds[h + 1]]
        rows = rows[used[rows]]
        if not len(rows):
            continue
        n_obs += len(rows)
        value, sigma = mean_of(o, r, h, rows)
        ratio.append(value / sigma)
        even, odd = rows[o.still[rows] % 2 == 0], rows[o.still[rows] % 2 == 1]
        if len(even) and len(odd):
            halves.append((mean_of(o, r, h, even)[0], mean_of(o, r, h, odd)[0]))
        well = rows[r.model.partiality[rows] >= 0.3]
        if len(well) > 1:
            k = len(well)
            off = np.abs(whole[well] - value).sum()
            sums += [off, off * (k / (k - 1)) ** 0.5, off * (1 / (k - 1)) ** 0.5, whole[well].sum()]
    x, y = np.array(halves).T
    return {
        "n_obs": n_obs, "n_unique": len(ratio), "multiplicity": n_obs / len(ratio),
        "completeness": len(ratio) / possible, "i_over_sigma": np.mean(ratio),
        "r_merge": sums[0] / sums[3], "r_meas": sums[1] / sums[3], "r_pim": sums[2] / sums[3],
        "cc_half": np.corrcoef(x, y)[0, 1],
        "r_split": np.sqrt(2) * np.abs(x - y).sum() / (x + y).sum(),
    }  # fmt: skip


def test_statistics_are_those_of_plain_sums(made: Made) -> None:
    _, o, r, merged = made
    cell = gemmi.UnitCell(*CELL)
    (overall,) = merged.table("overall").rows
    shells = merged.table("shells").rows
    assert len(shells) == N_SHELLS
    for row in (*shells, overall):
        low, high = row["d_min"] * (1 - 1e-9), row["d_max"] * (1 + 1e-9)
        inside = (o.d > low) & (o.d < high)
        d = spacings(possible_reflections(cell, GROUP, d_min=low, d_max=high), cell)
        expected = expected_row(o, r, inside, len(d))
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-9), name
    assert sum(row["n_unique"] for row in shells) == overall["n_unique"]


def test_rows_of_stills_say_what_was_refined(made: Made) -> None:
    data, o, r, merged = made
    rows = merged.table("stills").rows
    assert [row["image"] for row in rows] == (data.stills["image"] + 1).tolist()
    for row, theta, s in zip(rows, r.fitted.theta, range(len(rows)), strict=True):
        own = np.flatnonzero(o.still == s)
        assert row["n_obs"] == len(own)
        found = (row["scale"], row["b_factor"], row["rlp_radius"], row["tail"])
        np.testing.assert_allclose(
            found, (np.exp(theta[0]), theta[1], np.exp(theta[2]), np.exp(theta[6]))
        )
        assert row["rotation"] == pytest.approx(np.degrees(np.hypot(theta[3], theta[4])))
        assert row["stretch"] == pytest.approx(100 * theta[5])
        assert row["cc_to_others"] > 0.8
    scale = np.array([row["scale"] for row in rows])
    assert np.corrcoef(np.log(scale), np.log(data.scale))[0, 1] > 0.99
    np.testing.assert_array_equal(scale, merged.arrays["scale"])


def test_cycles_say_how_it_went(made: Made) -> None:
    _, o, r, merged = made
    rows = merged.table("cycles").rows
    assert [row["cycle"] for row in rows] == list(range(1, r.n_cycles + 1))
    several = r.means.n[o.place] > 1
    model = r.model.partiality * r.means.other
    off = np.abs(o.intensity / r.model.scale - model)[several].sum()
    assert rows[-1]["residual"] == pytest.approx(off / model[several].sum())
    assert rows[-1]["residual"] < rows[0]["residual"]
    assert rows[-1]["change"] < PARAMETERS.post_refinement.tolerance <= rows[-2]["change"]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_of_stills_does_not_matter(made: Made, seed: int) -> None:
    data, _, _, merged = made
    order = np.random.default_rng(seed).permutation(len(data.stills["image"]))
    stills = {name: values[order] for name, values in data.stills.items()}
    again = merge_stills(data.reflections, stills, data.experiments, PARAMETERS)
    np.testing.assert_array_equal(again.reflections["hkl"], merged.reflections["hkl"])
    for name in ("intensity", "sigma"):
        np.testing.assert_allclose(again.reflections[name], merged.reflections[name], rtol=1e-6)
    np.testing.assert_allclose(again.arrays["scale"], merged.arrays["scale"][order], rtol=1e-6)

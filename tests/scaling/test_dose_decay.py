"""Decay of intensities with dose, against the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.scaling import ScalingParameters, scale
from dxdask.scaling.dose import doses

pytestmark = pytest.mark.jit

TRANSMISSIONS = (0.2, 1.0, 0.5)
B_TOTAL = 12.0  # at the end of the last sweep


def damaged(
    *, exposures: tuple[float, ...] = (0.1, 0.1, 0.4), linear: bool = False
) -> tuple[MadeUp, np.ndarray]:
    """Return sweeps one after the other, with decay by dose, and the dose (n,) of each row."""
    data = made_up(transmissions=TRANSMISSIONS, decay=0.0, wave=0.1, strength=2e4, b_error=0.01)
    members = [
        replace(
            e,
            scan=replace(e.scan, exposure_times=(exposures[i],) if exposures else ()),
        )
        for i, e in enumerate(data.experiments)
    ]
    data.experiments = ExperimentList.of(members)
    each = [t * (exposures[i] if exposures else 1.0) for i, t in enumerate(TRANSMISSIONS)]
    n = members[0].scan.n_images
    starts = np.concatenate([[0.0], np.cumsum([x * n for x in each])])
    table = dict(data.reflections)
    experiment, z, d = table["experiment"], table["z_cal"], table["d"]
    dose = starts[experiment] + z * np.array(each)[experiment]
    rate = B_TOTAL / starts[-1]
    decay = np.exp(-rate * dose / (d if linear else 2.0 * d**2))
    table["intensity_sum"] = table["intensity_sum"] * decay
    table["intensity_sum_variance"] = table["intensity_sum_variance"] * decay
    data.reflections, data.scale = table, data.scale * decay
    return data, dose


def errors_of(data: MadeUp, found: np.ndarray) -> np.ndarray:
    """Return log scales less the true ones, with the mean taken off."""
    log = np.log(found / data.scale)
    return log - log.mean()


def given(**dose_decay: object) -> ScalingParameters:
    return ScalingParameters.model_validate({"model": "dose_decay", "dose_decay": dose_decay})


def test_the_rate_of_decay_is_found() -> None:
    data, dose = damaged()
    result = scale(data.reflections, data.experiments, given())
    rows = result.table("dose_decay").rows
    assert [r["run"] for r in rows] == ["run1", "run2", "run3"]
    assert rows[-1]["dose_end"] == pytest.approx(dose.max(), rel=1e-3)
    np.testing.assert_allclose([r["b_end"] for r in rows][-1], B_TOTAL, rtol=0.03)
    assert rows[0]["b_start"] == 0.0
    assert rows[1]["dose_start"] == rows[0]["dose_end"]
    rates = [r["b_per_dose"] for r in rows]
    np.testing.assert_allclose(rates, B_TOTAL / dose.max(), rtol=0.03)
    d_min = data.reflections["d"].min()
    np.testing.assert_allclose(rows[-1]["i_end"], np.exp(-B_TOTAL / (2 * d_min**2)), rtol=0.02)
    # intensities are those of no dose: the scale has no B factor left in it
    errors = errors_of(data, result.reflections["scale"])
    s2 = 0.5 / data.reflections["d"] ** 2
    slope = np.polyfit(s2, errors, 1)[0]
    assert abs(slope) < 0.4
    assert errors.std() < 0.01


def test_no_decay_is_not_invented() -> None:
    data = made_up(transmissions=TRANSMISSIONS, decay=0.0, strength=2e4, b_error=0.01)
    result = scale(data.reflections, data.experiments, given())
    assert abs(result.table("dose_decay").rows[-1]["b_end"]) < 0.5


def test_decay_by_one_over_d() -> None:
    data, _ = damaged(linear=True)
    found = {}
    for kind in ("linear", "quadratic"):
        result = scale(data.reflections, data.experiments, given(resolution_dependence=kind))
        found[kind] = errors_of(data, result.reflections["scale"]).std()
    assert found["linear"] < 0.02
    assert found["linear"] < 0.5 * found["quadratic"]


def test_each_sweep_has_a_rate_where_none_is_shared() -> None:
    data, _ = damaged()
    result = scale(data.reflections, data.experiments, given(share={"decay": False}))
    rates = [r["b_per_dose"] for r in result.table("dose_decay").rows]
    assert len(set(rates)) == 3
    counts = next(m for m in result.messages if m.startswith("Parameters refined"))
    assert "3 of dose_decay, 1 of relative_B" in counts


def test_sweeps_of_different_crystals_begin_at_no_dose() -> None:
    data, _ = damaged()
    members = []
    for i, e in enumerate(data.experiments):
        a = np.array(e.crystal.a_matrix) * (1.0 + 1e-5 * i)
        members.append(replace(e, crystal=replace(e.crystal, a_matrix=tuple(map(tuple, a)))))
    found, unit = doses(ExperimentList.of(members))
    assert [d.dose[0] for d in found] == [0.0, 0.0, 0.0]
    assert unit == "s of the full beam"


def test_without_exposure_times_images_are_counted() -> None:
    data, _ = damaged(exposures=())
    found, unit = doses(data.experiments)
    assert unit == "images of the full beam"
    np.testing.assert_allclose(found[0].at(np.array([0.0, 0.5, 180.0])), [0.0, 0.1, 36.0])
    np.testing.assert_allclose(found[2].dose[[0, -1]], [216.0, 306.0])
    own, _ = doses(data.experiments, (0.0, 5.0, 7.0))
    assert [d.dose[0] for d in own] == [0.0, 5.0, 7.0]
    with pytest.raises(InputError, match="2 values for 3 sweeps"):
        doses(data.experiments, (1.0, 2.0))


def test_the_order_of_rows_does_not_matter() -> None:
    data, _ = damaged()
    order = np.random.default_rng(3).permutation(len(data.reflections["d"]))
    mixed = {k: v[order] for k, v in data.reflections.items()}
    one = scale(data.reflections, data.experiments, given())
    other = scale(mixed, data.experiments, given())
    np.testing.assert_allclose(
        one.reflections["scale"][order], other.reflections["scale"], rtol=1e-6
    )

"""Scaling against reference intensities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag, select
from dxdask.errors import InputError
from dxdask.models.symmetry import asu_indices, pack, unpack
from dxdask.reindex import Reference
from dxdask.scaling import scale

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def ensemble() -> MadeUp:
    return made_up(b_error=0.03, decay=3.0)


def reference_of(data: MadeUp, factor: float = 1.0) -> Reference:
    """Return the true intensities, times a factor."""
    keys = np.array(list(data.truth))
    return Reference(
        crystal=data.experiments.crystals[0],
        name="truth.mtz",
        hkl=unpack(keys),
        intensity=factor * np.array(list(data.truth.values())),
    )


def test_overall_scale_and_b_are_those_of_the_reference(ensemble: MadeUp) -> None:
    result = scale(ensemble.reflections, ensemble.experiments, reference=reference_of(ensemble))
    error = result.reflections["scale"] / ensemble.scale - 1.0
    # without a reference the mean scale is 1, and the mean B is 0
    assert np.sqrt(np.mean(error**2)) < 0.01
    assert abs(error.mean()) < 0.003
    used = has_flag(result.reflections, Flag.SCALED)
    strong = used & (ensemble.true > np.median(ensemble.true))
    ratio = result.reflections["intensity"][strong].sum() / ensemble.true[strong].sum()
    assert ratio == pytest.approx(1.0, abs=0.003)


def test_the_scale_follows_the_reference(ensemble: MadeUp) -> None:
    one = scale(ensemble.reflections, ensemble.experiments, reference=reference_of(ensemble))
    half = scale(ensemble.reflections, ensemble.experiments, reference=reference_of(ensemble, 0.5))
    np.testing.assert_allclose(
        half.reflections["scale"], 2.0 * one.reflections["scale"], rtol=0.005
    )


def test_runs_without_common_reflections_come_to_one_scale() -> None:
    data = made_up(transmissions=(0.2, 1.0), wave=0.0)
    group = data.experiments.crystals[0].gemmi_space_group
    key = pack(asu_indices(data.reflections["hkl"], group)[0])
    rows = (key % 2 == 0) == (data.reflections["experiment"] == 0)
    table = select(data.reflections, rows)
    result = scale(table, data.experiments, reference=reference_of(data))
    first, second = (r["scale"] for r in result.table("runs").rows)
    true = [data.scale[rows][table["experiment"] == i].mean() for i in (0, 1)]
    assert first / second == pytest.approx(true[0] / true[1], rel=0.02)


def test_an_unlike_reference_is_refused(ensemble: MadeUp) -> None:
    good = reference_of(ensemble)
    assert good.intensity is not None
    assert good.hkl is not None
    mixed = np.random.default_rng(0).permutation(good.intensity)
    for bad, words in (
        (replace(good, hkl=None, intensity=None), "has no intensities"),
        (replace(good, hkl=good.hkl[:10], intensity=good.intensity[:10]), "too few to scale"),
        (replace(good, intensity=mixed), "dxdask symmetry"),
    ):
        with pytest.raises(InputError, match=words):
            scale(ensemble.reflections, ensemble.experiments, reference=bad)

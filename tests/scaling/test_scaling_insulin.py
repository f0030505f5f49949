"""The insulin ensemble, integrated with DIALS's models: ratios, and merged against the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import h5py
import hdf5plugin  # noqa: F401 - the frames are bitshuffled
import numpy as np
import pytest

from dxdask.analysis import LinearityParameters, linearity
from dxdask.columns import Reflections, concatenate
from dxdask.integration import integrate
from dxdask.merging import merge
from dxdask.models import ExperimentList
from dxdask.models.symmetry import asu_indices, pack
from dxdask.scaling import scale
from dxdask.storage.importers.dials.files import read_experiments

pytestmark = [pytest.mark.shared, pytest.mark.slow]

TRANSMISSIONS = (0.064, 0.127, 0.253, 0.503, 1.0)
# medians of dials.integrate's summed intensities, I/sigma > 30 in the full run (REFERENCE.md)
MEDIANS = (0.06337, 0.12661, 0.25301, 0.50318, 1.0)


@pytest.fixture(scope="module")
def integrated(shared: Path) -> tuple[Reflections, ExperimentList]:
    models = read_experiments(shared / "reference/insulin/integrated.expt")
    tables, experiments = [], []
    for i, (model, t) in enumerate(zip(models, TRANSMISSIONS, strict=True)):
        experiment = replace(model, run=f"run{i + 1}", beam=replace(model.beam, transmission=t))
        path = next((shared / "data/insulin").glob(f"run{i + 1}_*/*.nxs"))
        with h5py.File(path) as file:
            frames = file["entry/data/data"][:]
            mask = file["entry/instrument/detector/pixel_mask"][:] == 0
        tables.append(integrate(frames, mask, experiment, experiment_index=i).reflections)
        experiments.append(experiment)
    return concatenate(tables), ExperimentList.of(experiments)


def test_ratios_are_those_of_dials(integrated: tuple[Reflections, ExperimentList]) -> None:
    parameters = LinearityParameters(selection="reference", i_over_sigma=30.0)
    rows = linearity(*integrated, parameters).table("ratios").rows
    for row, median in zip(rows, MEDIANS, strict=True):
        assert row["median"] == pytest.approx(median, rel=0.002)
        assert row["n"] > 14900
    # DIALS matches 34502 to 57654 reflections with I/sigma > 3 in both
    both = linearity(*integrated).table("ratios").rows
    assert [r["n"] for r in both[:4]] == pytest.approx([34502, 42745, 50751, 57654], rel=0.01)


def test_merged_intensities_follow_the_truth(
    integrated: tuple[Reflections, ExperimentList], shared: Path
) -> None:
    reflections, experiments = integrated
    scaled = scale(reflections, experiments)
    scales = [r["scale"] for r in scaled.table("runs").rows]
    # the gain switch makes the weakest run up to 2 per cent low
    np.testing.assert_allclose(np.array(scales) / scales[-1], TRANSMISSIONS, rtol=0.03)
    result = merge(scaled.reflections, experiments)
    table = result.reflections
    overall = result.table("overall").rows[0]
    assert overall["n_unique"] > 19000
    assert overall["r_pim"] < 0.012
    truth = np.genfromtxt(shared / "data/insulin/truth_intensities.csv", delimiter=",", names=True)
    group = gemmi.SpaceGroup("I 21 3")
    true_hkl = np.column_stack([truth[c] for c in "hkl"]).astype(np.int32)
    known = dict(zip(pack(asu_indices(true_hkl, group)[0]).tolist(), truth["I_true"], strict=True))
    moved = table["hkl"][:, [1, 0, 2]] * np.array([1, 1, -1], dtype=np.int32)
    true = np.array([known[k] for k in pack(asu_indices(moved, group)[0]).tolist()])
    merged, sigma, d = table["intensity"], table["sigma"], table["d"]
    strong = merged > 20 * sigma
    k = np.median(merged[strong] / true[strong])
    assert np.corrcoef(merged, true)[0, 1] > 0.99995
    # dials.merge: the sum over the shell 1.47 to 1.34 is 0.91 of the truth, 1.65 to 1.55 is 0.95
    for d_max, d_min in ((2.0, 1.65), (1.65, 1.47), (1.47, 1.34)):
        shell = (d <= d_max) & (d > d_min)
        assert merged[shell].sum() / true[shell].sum() / k == pytest.approx(1.0, abs=0.04)
        z = (merged - k * true)[shell] / sigma[shell]
        assert 0.8 < np.sqrt(np.mean(z**2)) < 1.3

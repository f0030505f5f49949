"""MTZ files read back by gemmi, with headers that fit the reflections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError, SchemaError
from dxdask.merging import merge
from dxdask.models import Beam, Crystal, Experiment, ExperimentList, Goniometer, Scan
from dxdask.models.vectors import rotation_matrix
from dxdask.scaling import scale
from dxdask.storage.exporters.mtz import write_merged
from dxdask.storage.exporters.mtz_batches import batch_offsets
from dxdask.storage.exporters.mtz_unmerged import write_unmerged


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.2)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def column(mtz: gemmi.Mtz, label: str) -> np.ndarray:
    return np.array(mtz.column_with_label(label), dtype=np.float64)


def test_merged_file_holds_the_merged_table(scaled: MadeUp, tmp_path: Path) -> None:
    table = merge(scaled.reflections, scaled.experiments).reflections
    path = tmp_path / "merged.mtz"
    write_merged(path, table, scaled.experiments)
    mtz = gemmi.read_mtz_file(str(path))
    assert mtz.column_labels() == (
        [
            "H",
            "K",
            "L",
            "FreeR_flag",
            "IMEAN",
            "SIGIMEAN",
            "N",
            "F",
            "SIGF",
            "I(+)",
            "SIGI(+)",
            "I(-)",
            "SIGI(-)",
            "N(+)",
            "N(-)",
            "F(+)",
            "SIGF(+)",
            "F(-)",
            "SIGF(-)",
            "DANO",
            "SIGDANO",
        ]
    )
    assert mtz.spacegroup.hm == "P 21 21 21"
    assert mtz.cell.parameters == pytest.approx((40, 50, 60, 90, 90, 90))
    assert mtz.datasets[1].wavelength == pytest.approx(1.0)
    hkl = np.column_stack([column(mtz, c) for c in "HKL"])
    order = np.lexsort(table["hkl"].T[::-1])
    np.testing.assert_array_equal(hkl, table["hkl"][order])
    np.testing.assert_allclose(column(mtz, "IMEAN"), table["intensity"][order], rtol=1e-6)
    np.testing.assert_allclose(column(mtz, "SIGI(-)"), table["sigma_minus"][order], rtol=1e-6)
    np.testing.assert_array_equal(column(mtz, "N"), table["n_observations"][order])
    intensities = gemmi.Intensities()
    intensities.import_mtz(mtz)
    assert intensities.nobs_array.size == len(hkl)


def test_unmerged_file_merges_to_the_same(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "unmerged.mtz"
    write_unmerged(path, scaled.reflections, scaled.experiments)
    mtz = gemmi.read_mtz_file(str(path))
    assert mtz.column_labels()[:7] == ["H", "K", "L", "M/ISYM", "BATCH", "I", "SIGI"]
    assert len(mtz.batches) == 3 * 180
    numbers = {b.number for b in mtz.batches}
    assert len(numbers) == 540
    assert set(column(mtz, "BATCH").astype(int).tolist()) <= numbers
    good = has_flag(scaled.reflections, Flag.SCALED)
    assert mtz.nreflections == good.sum()
    intensities = gemmi.Intensities()
    intensities.import_mtz(mtz)
    intensities.merge_in_place(gemmi.DataType.Mean)
    intensities.sort()
    table = merge(scaled.reflections, scaled.experiments).reflections
    order = np.lexsort(table["hkl"].T[::-1])
    np.testing.assert_array_equal(intensities.miller_array, table["hkl"][order])
    np.testing.assert_allclose(
        intensities.value_array, table["intensity"][order], rtol=1e-4, atol=1e-3
    )
    np.testing.assert_allclose(intensities.sigma_array, table["sigma"][order], rtol=1e-4)
    mtz.switch_to_original_hkl()
    original = np.column_stack([column(mtz, c) for c in "HKL"]).astype(int)
    own = scaled.reflections["hkl"][good]
    assert sorted(map(tuple, original.tolist())) == sorted(map(tuple, own.tolist()))


def test_rotation_and_batches_follow_the_scan(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "unmerged.mtz"
    write_unmerged(path, scaled.reflections, scaled.experiments)
    mtz = gemmi.read_mtz_file(str(path))
    ranges = {b.number: (b.floats[36], b.floats[37]) for b in mtz.batches}
    edges = np.array([ranges[b] for b in column(mtz, "BATCH").astype(int)])
    rotation = column(mtz, "ROT")
    assert (rotation >= edges[:, 0] - 1e-3).all()
    assert (rotation <= edges[:, 1] + 1e-3).all()
    assert batch_offsets(scaled.experiments) == [0, 1000, 2000]


def test_header_orientation_puts_reflections_on_the_sphere(tmp_path: Path) -> None:
    """Every observation fulfils |s0 + R(phi) U B h| = |s0| in the frame of the header."""
    rng = np.random.default_rng(1)
    u = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    u *= np.sign(np.linalg.det(u))
    crystal = Crystal.from_cell((30, 40, 50, 80, 95, 105), u_matrix=u)
    goniometer = Goniometer(axes=((0.8, 0.6, 0.0),), angles=(0.0,), names=("omega",))
    data = made_up(symbol="P 1", cell=(30, 40, 50, 80, 95, 105), d_min=4.0, transmissions=(1.0,))
    experiment = replace(
        data.experiments[0],
        beam=Beam(wavelength=1.2),
        goniometer=goniometer,
        crystal=crystal,
        scan=Scan(image_range=(1, 180), oscillation=(10.0, 0.5)),
    )
    table = data.reflections
    s0 = experiment.beam.s0
    axis = goniometer.rotation_axis
    phi = np.deg2rad(np.arange(10.0, 100.0, 0.01))
    turns = np.array([rotation_matrix(axis, x) for x in phi])
    keep, z = [], []
    for i, h in enumerate(table["hkl"][:300]):
        miss = np.linalg.norm(s0 + turns @ (crystal.a @ h), axis=1) - np.linalg.norm(s0)
        crossing = np.flatnonzero(np.diff(np.sign(miss)))
        if len(crossing):
            k = crossing[0]
            exact = phi[k] - miss[k] * (phi[k + 1] - phi[k]) / (miss[k + 1] - miss[k])
            keep.append(i)
            z.append(float(experiment.scan.z_from_phi(exact)))
    assert len(keep) > 50
    table = {k: v[keep] for k, v in table.items()} | {"z_cal": np.array(z)}
    path = tmp_path / "orientation.mtz"
    write_unmerged(path, table, ExperimentList.of([experiment]))
    mtz = gemmi.read_mtz_file(str(path))
    mtz.switch_to_original_hkl()
    batch = mtz.batches[0]
    u_header = np.array([batch.floats[i] for i in range(6, 15)]).reshape(3, 3).T
    np.testing.assert_allclose(u_header @ u_header.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(u_header) == pytest.approx(1.0)
    star = gemmi.UnitCell(*[batch.floats[i] for i in range(6)]).reciprocal()
    ca, cb, cg = np.cos(np.deg2rad([star.alpha, star.beta, star.gamma]))
    sg = np.sqrt(1 - cg**2)
    y = (ca - cb * cg) / sg
    b = np.array(
        [
            [star.a, star.b * cg, star.c * cb],
            [0, star.b * sg, star.c * y],
            [0, 0, star.c * np.sqrt(1 - cb**2 - y**2)],
        ]
    )
    beam = -np.array([batch.floats[i] for i in range(83, 86)]) / batch.floats[86]
    hkl = np.column_stack([column(mtz, c) for c in "HKL"])
    for h, angle in zip(hkl, np.deg2rad(column(mtz, "ROT")), strict=True):
        r = rotation_matrix((0, 0, 1), angle) @ u_header @ b @ h
        assert np.linalg.norm(beam + r) == pytest.approx(1 / 1.2, abs=2e-5)


def test_integrated_data_are_written_corrected(tmp_path: Path) -> None:
    data = made_up(transmissions=(1.0,), share=0.1)
    path = tmp_path / "integrated.mtz"
    write_unmerged(path, data.reflections, data.experiments)
    mtz = gemmi.read_mtz_file(str(path))
    table = data.reflections
    good = table["intensity_sum_variance"] > 0
    expected = (table["intensity_sum"] * table["lp"] / table["qe"])[good]
    assert column(mtz, "I").sum() == pytest.approx(expected.sum(), rel=1e-5)


def test_fitted_intensities_are_written_beside_the_summed(tmp_path: Path) -> None:
    data = made_up(transmissions=(1.0,), share=0.1)
    table = dict(data.reflections)
    n = len(table["flags"])
    table["intensity_prf"] = table["intensity_sum"] * 1.01
    table["intensity_prf_variance"] = table["intensity_sum_variance"] * 0.5
    table["flags"] = table["flags"] | np.where(np.arange(n) % 2, Flag.INTEGRATED_PRF, 0).astype(
        np.uint32
    )
    path = tmp_path / "both.mtz"
    write_unmerged(path, table, data.experiments)
    mtz = gemmi.read_mtz_file(str(path))
    fits = np.isfinite(column(mtz, "IPR"))
    assert 0.4 < fits.mean() < 0.6
    np.testing.assert_allclose(column(mtz, "IPR")[fits], 1.01 * column(mtz, "I")[fits], rtol=1e-5)
    np.testing.assert_allclose(
        column(mtz, "SIGIPR")[fits], np.sqrt(0.5) * column(mtz, "SIGI")[fits], rtol=1e-5
    )


def test_slivers_at_the_ends_of_a_scan_are_not_made_whole(tmp_path: Path) -> None:
    data = made_up(transmissions=(1.0,), share=0.1)
    table = data.reflections
    good = int((table["intensity_sum_variance"] > 0).sum())
    table["partiality"][:5] = 0.39
    lost = int((table["intensity_sum_variance"][:5] > 0).sum())
    assert lost > 0
    write_unmerged(tmp_path / "integrated.mtz", table, data.experiments)
    mtz = gemmi.read_mtz_file(str(tmp_path / "integrated.mtz"))
    assert mtz.nreflections == good - lost


def test_what_cannot_be_written_says_so(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "no.mtz"
    nothing = scaled.reflections | {"flags": np.zeros(len(scaled.true), np.uint32)}
    with pytest.raises(InputError, match="nothing to write"):
        write_unmerged(path, nothing, scaled.experiments)
    bare = ExperimentList.of(
        [Experiment(identifier="0", run="a", beam=Beam(), detector=scaled.experiments.detectors[0])]
    )
    with pytest.raises(InputError, match="crystal"):
        write_unmerged(path, scaled.reflections, bare)
    with pytest.raises(SchemaError, match="sigma"):
        write_merged(path, {"hkl": np.zeros((1, 3), np.int32)}, scaled.experiments)
    assert not path.exists()

"""DIALS and iotbx go on from exported files, and give the figures of dxdask or their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials

import dxdask
from dxdask.storage.store.store import Store
from dxdask.symmetry import SymmetryParameters, symmetry

pytestmark = [pytest.mark.dials, pytest.mark.slow, needs_dials]

Columns = dict[tuple[int, int, int], np.ndarray]


@pytest.fixture(scope="module")
def files(processed: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the integrated and scaled results of three runs, and MTZ files."""
    folder = tmp_path_factory.mktemp("exported")
    for step in ("integrate", "scale"):
        dxdask.export(processed, format="dials", step=step, output=str(folder / f"{step}.expt"))
    dxdask.export(processed, output=str(folder / "merged.mtz"))
    dxdask.export(processed, output=str(folder / "unmerged.mtz"), **{"mtz.unmerged": True})
    return folder


def columns(path: Path, labels: Sequence[str]) -> Columns:
    """Return values of these columns of a merged MTZ by index."""
    mtz = gemmi.read_mtz_file(str(path))
    values = np.column_stack([np.array(mtz.column_with_label(c)) for c in labels])
    return dict(zip(map(tuple, mtz.make_miller_array().tolist()), values, strict=True))


def paired(left: Columns, right: Columns) -> tuple[np.ndarray, np.ndarray]:
    assert left.keys() == right.keys()
    return np.array([left[h] for h in left]), np.array([right[h] for h in left])


def test_scaled_files_merge_to_the_same_intensities(files: Path) -> None:
    run_dials(
        "dials.merge", "scale.expt", "scale.refl", "output.mtz=same.mtz", "output.html=None",
        folder=files,
    )  # fmt: skip
    labels = ("IMEAN", "SIGIMEAN", "I(+)", "SIGI(+)", "I(-)", "SIGI(-)", "N(+)")
    ours, theirs = paired(*(columns(files / f, labels) for f in ("merged.mtz", "same.mtz")))
    seen = np.isfinite(theirs)
    np.testing.assert_array_equal(np.isfinite(ours[:, :-1]), seen[:, :-1])
    np.testing.assert_allclose(ours[seen], theirs[seen], rtol=1e-5)
    f, f_theirs = paired(*(columns(files / f, ("F",)) for f in ("merged.mtz", "same.mtz")))
    # the prior of DIALS is another one: a mean of neighbours in resolution, without anisotropy
    ratio = f_theirs / f
    np.testing.assert_allclose(np.quantile(ratio, [0.05, 0.5, 0.95]), 1.0, atol=0.01)


def test_integrated_files_are_scaled_and_merged(files: Path, processed: Store) -> None:
    run_dials("dials.scale", "integrate.expt", "integrate.refl", folder=files)
    printed = run_dials(
        "dials.merge", "scaled.expt", "scaled.refl", "output.mtz=theirs.mtz", "output.html=None",
        folder=files,
    )  # fmt: skip
    label = "Rmeas(I)"
    [line] = [x for x in printed.splitlines() if x.strip().startswith(label)]
    own = processed.table("merge", "overall").iloc[0]
    assert float(line.split()[1]) == pytest.approx(own["r_meas"], abs=0.004)
    ours, theirs = paired(*(columns(files / f, ("IMEAN",)) for f in ("merged.mtz", "theirs.mtz")))
    assert np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1] > 0.999


def test_integrated_files_have_the_same_symmetry(files: Path, processed: Store) -> None:
    printed = run_dials("dials.symmetry", "integrate.expt", "integrate.refl", folder=files)
    [best] = [line for line in printed.splitlines() if line.startswith("Best solution:")]
    integrated = processed.read_step("integrate")
    found = symmetry(integrated.reflections, integrated.experiments, SymmetryParameters())
    [group] = {c.gemmi_space_group.laue_str() for c in found.experiments.crystals}
    assert best.split(":")[1].strip() == "I m -3"
    assert group == "m-3"


def test_unmerged_mtz_has_the_statistics_of_iotbx(files: Path, processed: Store) -> None:
    run_dials(
        "iotbx.merging_statistics", "unmerged.mtz", "labels=I,SIGI", "use_internal_variance=False",
        "json.file_name=statistics.json",
        folder=files,
    )  # fmt: skip
    found = json.loads((files / "statistics.json").read_text())["overall"]
    own = processed.table("merge", "overall").iloc[0]
    assert found["n_obs"] == own["n_obs"]
    assert found["n_uniq"] == own["n_unique"]
    assert found["completeness"] == pytest.approx(100 * own["completeness"])
    for theirs, ours in {
        "multiplicity": "multiplicity",
        "i_over_sigma_mean": "i_over_sigma",
        "r_merge": "r_merge",
        "r_meas": "r_meas",
        "r_pim": "r_pim",
    }.items():
        assert found[theirs] == pytest.approx(own[ours], rel=2e-4), ours


def test_columns_are_arrays_of_iotbx(files: Path) -> None:
    code = """
import json
from iotbx.reflection_file_reader import any_reflection_file
def arrays(name, **how):
    found = any_reflection_file(name).as_miller_arrays(**how)
    return {",".join(a.info().labels): [str(a.observation_type()), a.anomalous_flag()]
            for a in found}
print(json.dumps([arrays("merged.mtz"), arrays("unmerged.mtz", merge_equivalents=False)]))
"""
    merged, unmerged = json.loads(run_dials(str(DIALS_PYTHON), "-c", code, folder=files))
    intensity, amplitude = "xray.intensity", "xray.amplitude"
    assert merged == {
        "FreeR_flag": ["None", False],
        "IMEAN,SIGIMEAN": [intensity, False],
        "N": ["None", False],
        "F,SIGF": [amplitude, False],
        "I(+),SIGI(+),I(-),SIGI(-)": [intensity, True],
        "N(+),N(-)": ["None", True],
        "F(+),SIGF(+),F(-),SIGF(-)": [amplitude, True],
        "DANO,SIGDANO": ["None", False],
    }
    assert unmerged["I,SIGI"] == [intensity, False]
    assert {"M_ISYM", "BATCH", "XDET", "YDET", "ROT", "FRACTIONCALC"} <= unmerged.keys()

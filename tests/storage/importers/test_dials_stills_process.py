"""Files as dials.stills_process writes them, composite and one for each image, are read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import hdf5plugin
import numpy as np
import pytest
from support.paths import shared_folder

import dxdask
from dxdask.storage.store.store import Store

pytestmark = [pytest.mark.dials, pytest.mark.slow, pytest.mark.shared]

PHIL = """
spotfinder.threshold.algorithm=dispersion
spotfinder.threshold.dispersion.gain=1.5
spotfinder.threshold.dispersion.global_threshold=4
spotfinder.threshold.dispersion.sigma_background=6
spotfinder.threshold.dispersion.sigma_strong=4
spotfinder.filter.min_spot_size=2
indexing.known_symmetry.space_group=P43212
indexing.known_symmetry.unit_cell=79.2,79.2,38,90,90,90
"""
COUNT = """
import sys
from dials.array_family import flex
from dxtbx.model import ExperimentList
for name in sys.argv[1:]:
    if name.endswith(".refl"):
        print(len(flex.reflection_table.from_file(name)))
    else:
        print(len(ExperimentList.from_file(name, check_format=False)))
"""


def process(folder: Path, *, composite: bool) -> Path:
    """Run dials.stills_process on 14 events, in a folder of its own."""
    if shutil.which("dials.stills_process") is None:
        pytest.skip("DIALS is not installed")
    stub = folder / "stub"
    stub.mkdir(exist_ok=True)
    # the cctbx of some systems is built without this extension, which is not used here
    (stub / "xfel_mono_sim_ext.py").touch()
    (folder / "p.phil").write_text(PHIL)
    out = folder / f"composite_{composite}"
    out.mkdir()
    plugins = Path(hdf5plugin.__file__).parent / "plugins"
    subprocess.run(
        ["dials.stills_process", str(shared_folder() / "data/stills/corrected.h5"), "../p.phil",
         "max_images=14", "hit_finder.minimum_number_of_reflections=15",
         f"output.composite_output={composite}"],
        cwd=out, check=True, capture_output=True, timeout=300,
        env={**os.environ, "HDF5_PLUGIN_PATH": str(plugins), "PYTHONPATH": str(stub)},
    )  # fmt: skip
    return out


def counts(*files: Path) -> list[int]:
    """Return the numbers of reflections or experiments that DIALS finds in files."""
    run = subprocess.run(
        ["/usr/bin/python3", "-c", COUNT, *map(str, files)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return [int(line) for line in run.stdout.split()]


@pytest.fixture(scope="module")
def composite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return process(tmp_path_factory.mktemp("stills_process"), composite=True)


def merged(store: Store) -> dict[tuple[int, ...], float]:
    dxdask.merge(store)
    table = store.columns("merge")
    return dict(zip(map(tuple, table["hkl"].tolist()), table["intensity"].tolist(), strict=True))


def test_integrated_files_merge_the_same_together_or_apart(composite: Path, tmp_path: Path) -> None:
    models, table = composite / "idx-0000_integrated.expt", composite / "idx-0000_integrated.refl"
    n_stills, n_rows = counts(models, table)
    assert n_stills >= 3
    store = dxdask.import_([models, table], tmp_path / "one.zarr", link=True)
    assert len(store.runs) == 1
    assert len(store.columns("integrate")["hkl"]) == n_rows
    assert store.arrays("integrate")["indexed"].sum() == n_stills
    together = merged(store)

    apart = process(tmp_path, composite=False)
    files = sorted(apart.glob("*_integrated.*"))
    several = dxdask.import_(files, tmp_path / "several.zarr", link=True)
    assert len(several.columns("integrate")["hkl"]) == n_rows
    other = merged(several)
    assert together.keys() == other.keys()
    np.testing.assert_allclose([other[h] for h in together], list(together.values()), rtol=1e-6)


def test_indexed_files_go_on(composite: Path, tmp_path: Path) -> None:
    models, table = composite / "idx-0000_refined.expt", composite / "idx-0000_indexed.refl"
    n_stills, n_rows = counts(models, table)
    store = dxdask.import_([models, table], tmp_path / "s.zarr", link=True)
    assert len(store.columns("index")["hkl"]) == n_rows
    assert store.arrays("index")["indexed"].sum() == n_stills
    dxdask.integrate(store)
    assert len(store.columns("integrate", ["hkl"])["hkl"]) > n_rows

"""Two lattices in one sweep, from frames to merged intensities and exported files."""

from __future__ import annotations

from pathlib import Path

import gemmi
import h5py
import numpy as np
import pytest
from support.ensemble_example import QUICK, small

import dxdask
from dxdask.columns import Flag
from dxdask.indexing.misorientation import misorientation
from dxdask.models import Crystal
from dxdask.models.rotations import rotation_vector
from dxdask.simulation import simulate
from dxdask.storage.exporters.simulated import write_simulation

pytestmark = [pytest.mark.slow, pytest.mark.jit]
ORIENTATIONS = ((31.0, -52.0, 17.0), (-20.0, 35.0, 60.0))


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """A file with the frames of two crystals added up, and the true crystals."""
    files, true = [], []
    for k, orientation in enumerate(ORIENTATIONS):
        cell = {"unit_cell": (36.0, 36.0, 36.0, 90.0, 90.0, 90.0), "orientation": orientation}
        made = simulate(small(transmissions=(1.0,), crystal=cell))
        folder = tmp_path_factory.mktemp(f"crystal{k}")
        write_simulation(folder, made)
        files.append(_frames(folder))
        true.append(made.true_experiments.crystals[0])
    with h5py.File(files[1]) as other, h5py.File(files[0], "r+") as file:
        name = _largest(file)
        total = file[name][:].astype(np.int64) + other[name][:]
        file[name][:] = np.minimum(total, 10000).astype(file[name].dtype)
    return files[0], true


def error_of(found: Crystal, true: Crystal) -> np.ndarray:
    """Return the rotation vector (3,), degrees, from the true cubic lattice to the one found."""
    group = gemmi.SpaceGroup("P 4 3 2").operations()
    turns = [np.array(op.rot, dtype=np.float64) / op.DEN for op in group.sym_ops]
    vectors = [rotation_vector(found.u @ turn @ true.u.T) for turn in turns]
    return np.degrees(min(vectors, key=lambda v: float(np.linalg.norm(v))))


def _frames(folder: Path) -> Path:
    return next(p for p in sorted(folder.rglob("*")) if p.suffix in (".nxs", ".h5"))


def _largest(file: h5py.File) -> str:
    found: list[tuple[int, str]] = []
    file.visititems(
        lambda name, x: found.append((x.size, name)) if isinstance(x, h5py.Dataset) else None
    )
    return max(found)[1]


def test_both_are_processed(crystals: tuple[Path, list], tmp_path: Path) -> None:
    path, true = crystals
    store = dxdask.process([path], tmp_path / "two.zarr", max_lattices=2, **QUICK)
    for step in ("index", "refine", "integrate", "scale"):
        found = store.experiments(step)
        assert len(found) == 2, step
        crystals = [e.crystal for e in found]
        angles = np.array([[misorientation(t, c) for c in crystals] for t in true])
        best = angles.argmin(axis=1)
        assert sorted(best) == [0, 1], step
        # 11 degrees of rotation hardly tell a rotation of crystals and detector about the beam
        # (0.12 degree here), which both lattices have in common
        assert angles.min(axis=1).max() < 0.15, step
        turns = [error_of(crystals[k], t) for k, t in zip(best, true, strict=True)]
        assert np.linalg.norm(turns[0] - turns[1]) < 0.02, step
    lattices = store.table("index", "lattices")
    assert (lattices["percent"] > 25).all()
    assert (store.table("refine", "rmsds")["rmsd_x_px"] < 0.6).all()
    fates = store.table("index", "fates")
    counts = [c for c in fates.columns if c.startswith("n_") and c != "n_spots"]
    assert (fates[counts].sum(axis=1) == fates["n_spots"]).all()
    rows = store.columns("integrate", ["experiment", "flags"])
    done = (rows["flags"] & Flag.INTEGRATED_SUM) != 0
    assert np.bincount(rows["experiment"][done]).min() > 500
    # I 21 3 can be indexed in two ways, which the two lattices need not agree in
    (line,) = [m for m in store.messages("symmetry") if "as given" in m]
    assert line.startswith("space group I 21 3 as given")
    assert {e.crystal.space_group for e in store.experiments("scale")} == {"I 21 3"}
    assert float(store.table("merge", "overall")["cc_half"].iloc[0]) > 0.99
    for kind in ("dials", "csv", "mtz"):
        files = dxdask.export(store, output=str(tmp_path / f"out_{kind}"), format=kind)
        assert all(Path(f).stat().st_size > 1000 for f in files)

"""A displaced module of the tutorial, from frames to merged intensities and other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.pipeline.export import export_store
from dxdask.pipeline.export_parameters import ExportParameters
from dxdask.storage.importers.reference_geometry import read_geometry
from dxdask.storage.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.shared]

TRUE = (0.3, 1.5)


@pytest.fixture(scope="module")
def store(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    files = sorted((shared / "data" / "insulin").glob("run*/*.nxs"))
    path = tmp_path_factory.mktemp("modules") / "a.zarr"
    return dxdask.process(
        [files[2], files[-1]], path, show=dxdask.quiet, space_group="I213", link=True
    )


def test_the_module_is_found_and_refined(store: Store) -> None:
    table = store.table("refine", "modules")
    assert table["moved"].all()
    row = table.iloc[1]
    for axis, true in zip(("fast", "slow"), TRUE, strict=True):
        value, su = row[f"shift_{axis}_px"], row[f"shift_{axis}_su"]
        assert abs(value - true) < 0.02
        assert abs(value - true) < 2.5 * su
        assert su < 0.02
    rmsds = store.table("refine", "rmsds")
    assert (rmsds["rmsd_x_px"] < 0.107).all()
    assert (rmsds["rmsd_y_px"] < 0.110).all()
    assert (abs(store.table("refine", "crystals")["a"] - 78.0) < 0.02).all()


def test_every_column_is_on_the_new_panels(store: Store) -> None:
    detector = store.experiments("refine")[0].detector
    assert [p.offset for p in detector.panels] == [(0, 0), (0, 548)]
    found = store.columns("refine")
    assert set(np.unique(found["panel"])) == {0, 1}
    box = found["bbox"]
    assert ((box[:, 0] <= found["x"]) & (found["x"] <= box[:, 1])).all()
    assert ((box[:, 2] <= found["y"]) & (found["y"] <= box[:, 3])).all()
    assert found["y"].max() < 513


def test_integration_to_merging(store: Store) -> None:
    table = store.columns("integrate")
    assert set(np.unique(table["panel"])) == {0, 1}
    done = has_flag(table, Flag.INTEGRATED_SUM)
    assert done.mean() > 0.95
    assert store.table("merge", "overall")["cc_half"][0] > 0.99


def test_other_programs_have_two_panels(store: Store, tmp_path: Path) -> None:
    export_store(
        store,
        ExportParameters(format="dials", step="refine", output=str(tmp_path / "refined.expt")),
    )
    detector = store.experiments("refine")[0].detector
    found = read_geometry(tmp_path / "refined.expt").detector
    for p, q in zip(found.panels, detector.panels, strict=True):
        np.testing.assert_allclose(p.d_matrix, q.d_matrix, atol=1e-9)
        assert (p.offset, p.image_size) == (q.offset, q.image_size)


def test_the_next_beamtime_begins_with_it(store: Store, shared: Path, tmp_path: Path) -> None:
    (path,) = (shared / "data" / "insulin").glob("run4*/*.nxs")
    reference = {"input": {"reference_geometry": str(store.path)}}
    other = dxdask.process(
        [path], tmp_path / "b.zarr", show=dxdask.quiet, space_group="I213", link=True, **reference
    )
    assert len(other.run_experiment("insulin_4").detector) == 2
    table = other.table("refine", "modules")
    assert not table["moved"].any()
    assert (table["size_px"] < 0.05).all()
    assert (abs(other.table("refine", "crystals")["a"] - 78.0) < 0.02).all()

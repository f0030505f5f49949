"""Lists of spots that cannot be indexed, through the command line: what the error says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of

import dxdask
from dxdask.cli.main import run
from dxdask.columns import Flag, n_rows, select
from dxdask.indexing.reciprocal import without_crystals
from dxdask.storage.exporters.dials import write_experiments, write_reflections

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The experiments of a sweep without crystal in a file, and its spots."""
    experiments = without_crystals(experiments_of("oP"))
    spots = {k: v for k, v in spots_of(experiments_of("oP")).items() if k != "hkl"}
    spots["flags"] = np.full(n_rows(spots), Flag.STRONG, dtype=np.uint32)
    path = tmp_path_factory.mktemp("lists") / "sweep.expt"
    write_experiments(path, experiments)
    return path, spots


def written(sweep, folder: Path, rows) -> list[str]:
    path, spots = sweep
    write_reflections(
        folder / "spots.refl", select(spots, rows), without_crystals(experiments_of("oP"))
    )
    return [str(path), str(folder / "spots.refl")]


def test_ten_spots(sweep, tmp_path, capsys):
    files = written(sweep, tmp_path, np.arange(10) * 400)
    store = str(tmp_path / "s.zarr")
    assert run(["import", *files, "-o", store]) == 0
    capsys.readouterr()
    assert run(["index", store]) == 1
    said = capsys.readouterr().err
    assert "10 spots are few to find a lattice: lower the threshold of find_spots" in said
    assert "tried without success" in said
    # the spots are there for another try
    assert len(dxdask.open(store).columns("find_spots", ["x"])["x"]) == 10


def test_a_wrong_cell(sweep, tmp_path, capsys):
    files = written(sweep, tmp_path, slice(None))
    store = str(tmp_path / "s.zarr")
    assert run(["import", *files, "-o", store]) == 0
    assert run(["index", store, "unit_cell=30,80,90,90,90,90", "space_group=P222"]) == 1
    said = capsys.readouterr().err
    assert "reduced cell 42.00 55.00 71.00" in said
    assert "give another cell or none" in said


def test_a_sweep_without_width(sweep, tmp_path, capsys):
    files = written(sweep, tmp_path, slice(None))
    content = json.loads(Path(files[0]).read_text())
    for scan in content["scan"]:
        scan["oscillation"] = [0.0, 0.0]
        if "properties" in scan:
            n = len(scan["properties"]["oscillation"])
            scan["properties"] |= {"oscillation": [0.0] * n, "oscillation_width": [0.0] * n}
    still = tmp_path / "still.expt"
    still.write_text(json.dumps(content))
    assert run(["import", str(still), files[1], "-o", str(tmp_path / "s.zarr")]) == 1
    said = capsys.readouterr().err
    assert "do not rotate" in said
    assert "correct the oscillation" in said

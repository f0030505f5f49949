"""Lines of an import on what is doubtful: in the run, in the store and on stderr."""

import numpy as np
import pytest
from support.raw_examples import write_cbf, write_nxmx, write_smv

import dxdask
from dxdask.cli.logs import log_to
from dxdask.cli.main import run
from dxdask.storage.importers import read_runs

IMAGE = np.arange(40, dtype=np.int32).reshape(5, 8)


@pytest.mark.parametrize("kind", ["cbf", "smv", "nxmx"])
def test_every_format_ends_with_the_check_of_its_geometry(tmp_path, kind):
    if kind == "cbf":
        path = write_cbf(tmp_path / "a_1.cbf", IMAGE, Detector_distance="20.0 m")
    elif kind == "smv":
        path = write_smv(tmp_path / "a_1.img", IMAGE.astype(np.uint16), DISTANCE=20000.0)
    else:
        path = write_nxmx(
            tmp_path / "a.nxs",
            IMAGE[None].astype(np.uint16),
            entry__instrument__detector__transformations__det_z=200000.0,
        )
    (run,) = read_runs([path])
    assert any("geometry.detector.distance" in line for line in run.problems)


@pytest.mark.parametrize("link", [False, True])
def test_lines_are_kept_in_the_store(tmp_path, link, capsys):
    path = write_smv(tmp_path / "a_1.img", IMAGE.astype(np.uint16), WAVELENGTH=9.0)
    with log_to(tmp_path / "s.zarr", "import", creates=True):
        dxdask.import_(path, tmp_path / "s.zarr", link=link)
    problems = dxdask.open(tmp_path / "s.zarr").problems()
    found = problems[problems["reason"].str.contains("geometry.beam.wavelength")]
    assert found["step"].tolist() == ["import"]
    assert found["image"].isna().all()
    assert "warning: run a: the wavelength of 9 A is not plausible" in capsys.readouterr().err
    assert "not plausible" in (tmp_path / "s.log").read_text()


def test_a_command_prints_each_problem_once(tmp_path, capsys):
    path = write_smv(tmp_path / "a_1.img", IMAGE.astype(np.uint16), WAVELENGTH=9.0)
    assert run(["import", str(path), "-o", str(tmp_path / "s.zarr")]) == 0
    printed = capsys.readouterr()
    assert "not plausible" in printed.out.split("Problems:")[1]
    assert "not plausible" not in printed.err
    assert "WARNING run a: the wavelength" in (tmp_path / "s.log").read_text()
    # without a list of problems the warnings stay
    assert run(["import", str(path), "-o", str(tmp_path / "t.zarr"), "--json"]) == 0
    assert "warning: run a: the wavelength of 9 A" in capsys.readouterr().err


def test_a_command_that_fails_prints_the_problems_found_so_far(tmp_path, capsys):
    path = write_smv(tmp_path / "a_1.img", IMAGE.astype(np.uint16), WAVELENGTH=9.0)
    store = tmp_path / "s.zarr"
    assert run(["import", str(path), "-o", str(store)]) == 0
    capsys.readouterr()
    path = write_smv(tmp_path / "b_1.img", IMAGE.astype(np.uint16), WAVELENGTH=9.5)
    assert run(["import", str(path), "-o", str(store)]) == 1
    assert "warning: run b: the wavelength of 9.5 A" in capsys.readouterr().err

"""XDS_ASCII, SHELX and unmerged mmCIF, read back by gemmi and by our own importer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pandas as pd
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag, select
from dxdask.errors import InputError
from dxdask.merging import MergingParameters, merge
from dxdask.models import Detector, ExperimentList, Panel
from dxdask.models.symmetry import asu_indices, pack
from dxdask.scaling import scale
from dxdask.storage.exporters.crystfel_hkl import write_crystfel_hkl
from dxdask.storage.exporters.csv import write_csv
from dxdask.storage.exporters.mmcif import write_unmerged_mmcif
from dxdask.storage.exporters.mtz import merged_mtz
from dxdask.storage.exporters.mtz_unmerged import is_scaled, unmerged_mtz
from dxdask.storage.exporters.processing import Processing, StepRecord
from dxdask.storage.exporters.shelx import write_shelx_hkl
from dxdask.storage.exporters.xds_ascii import write_xds_ascii, xds_files

PROCESSING = Processing(steps=(StepRecord(name="scale", version="1.2", parameters=("d_min = 2",)),))


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.2, transmissions=(1.0,), d_min=4.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def test_xds_ascii_reads_back(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "XDS_ASCII.HKL"
    write_xds_ascii(path, scaled.reflections, scaled.experiments, PROCESSING)
    xds = gemmi.read_xds_ascii(str(path))
    good = has_flag(scaled.reflections, Flag.SCALED) & ~has_flag(
        scaled.reflections, Flag.BAD_FOR_SCALING
    )
    table = select(scaled.reflections, good)
    order = np.lexsort((table["intensity"], *table["hkl"].T))
    own = np.lexsort((xds.iobs_array, *xds.miller_array.T))
    np.testing.assert_array_equal(xds.miller_array[own], table["hkl"][order])
    np.testing.assert_allclose(xds.iobs_array[own], table["intensity"][order], rtol=1e-3)
    assert xds.spacegroup_number == 19
    assert xds.wavelength == pytest.approx(1.0)
    assert xds.cell_constants == pytest.approx([40, 50, 60, 90, 90, 90])
    assert list(xds.rotation_axis) == pytest.approx([1, 0, 0])
    unique = asu_indices(xds.miller_array, gemmi.SpaceGroup(19))[0]
    assert (np.diff(pack(unique)) >= 0).all()
    lines = path.read_text().splitlines()
    assert {
        "!scale by dxdask 1.2: d_min = 2",
        "!DATA_RANGE= 1 180",
        "!OSCILLATION_RANGE= 0.500000",
        "!STARTING_ANGLE= 0.000000",
        "!STARTING_FRAME= 1",
        "!INCIDENT_BEAM_DIRECTION= 0.000000 0.000000 1.000000",
        "!FRACTION_OF_POLARIZATION= 0.999",
        "!UNIT_CELL_A-AXIS= 40.0000 0.0000 0.0000",
    } <= {line.replace("-0.0000", "0.0000") for line in lines}
    mtz = xds.to_mtz()
    assert mtz.nreflections == good.sum()


def test_xds_ascii_of_images_that_do_not_begin_with_1(scaled: MadeUp, tmp_path: Path) -> None:
    first = 1000
    (old,) = scaled.experiments
    assert old.scan is not None
    scan = replace(old.scan, image_range=(first, first + old.scan.n_images - 1))
    table = {**scaled.reflections, "z_cal": scaled.reflections["z_cal"] + first - 1}
    for name, models, rows in (
        ("one.HKL", scaled.experiments, scaled.reflections),
        ("moved.HKL", ExperimentList.of([replace(old, scan=scan)]), table),
    ):
        write_xds_ascii(tmp_path / name, rows, models)
    one, moved = (gemmi.read_xds_ascii(str(tmp_path / n)) for n in ("one.HKL", "moved.HKL"))
    np.testing.assert_allclose(moved.zd_array, np.asarray(one.zd_array) + first - 1, atol=0.02)
    assert f"!STARTING_FRAME= {first}" in (tmp_path / "moved.HKL").read_text().splitlines()


def test_xds_ascii_has_pixels_of_the_frame_also_of_one_panel(
    scaled: MadeUp, tmp_path: Path
) -> None:
    (old,) = scaled.experiments
    table = {**scaled.reflections, "panel": np.zeros(len(scaled.true), dtype=np.int32)}
    found = []
    for offset in ((0, 0), (30, 70)):
        panel = Panel(
            origin=(-50.0, 50.0, -100.0), pixel_size=(0.1, 0.1), image_size=(1000, 1000),
            offset=offset,
        )  # fmt: skip
        models = ExperimentList.of([replace(old, detector=Detector(panels=(panel,)))])
        path = tmp_path / f"{offset[0]}.HKL"
        write_xds_ascii(path, table, models)
        header = path.read_text().splitlines()
        (origin,) = (line.split()[1::2] for line in header if line.startswith("!ORGX"))
        data = [line.split() for line in header if not line.startswith("!")]
        found.append((np.array(origin, float), np.array(data, float)[:, 5:7]))
    np.testing.assert_allclose(found[1][0] - found[0][0], (30, 70))
    np.testing.assert_allclose(found[1][1] - found[0][1], np.full_like(found[0][1], (30, 70)))


def test_xds_ascii_refuses_a_setting_that_its_number_does_not_stand_for(tmp_path: Path) -> None:
    data = made_up(
        symbol="I 1 2 1", cell=(40, 50, 60, 90, 100, 90), d_min=5.0, transmissions=(1.0,)
    )
    table = scale(data.reflections, data.experiments).reflections
    with pytest.raises(InputError, match=r"stands for C 1 2 1.*are in I 1 2 1"):
        write_xds_ascii(tmp_path / "a.HKL", table, data.experiments)
    assert not (tmp_path / "a.HKL").exists()


def test_shelx_has_fixed_columns_and_every_mate(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "shelx.hkl"
    table = merge(scaled.reflections, scaled.experiments).reflections
    write_shelx_hkl(path, table, PROCESSING)
    lines, comments = (part.splitlines() for part in path.read_text().split("\n\n"))
    assert comments == ["From dxdask 1.2", "scale by dxdask 1.2: d_min = 2"]
    n = sum(int(np.isfinite(table[f"intensity_{s}"]).sum()) for s in ("plus", "minus"))
    assert len(lines) == n + 1
    assert {len(line) for line in lines} == {32}
    assert lines[-1].split()[:3] == ["0", "0", "0"]
    values = np.array([float(line[12:20]) for line in lines[:-1]])
    plus = table["intensity_plus"][np.isfinite(table["intensity_plus"])]
    assert values.max() <= 9999
    assert np.corrcoef(values[: len(plus)], plus)[0, 1] > 0.99999


def test_unmerged_mmcif_has_the_rows_of_the_mtz(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "unmerged.cif"
    write_unmerged_mmcif(path, scaled.reflections, scaled.experiments)
    block = gemmi.cif.read_file(str(path)).sole_block()
    intensity = block.find_values("_diffrn_refln.intensity_net")
    mtz = unmerged_mtz(scaled.reflections, scaled.experiments)
    assert len(intensity) == mtz.nreflections
    found = sorted(float(x) for x in intensity)
    np.testing.assert_allclose(found, sorted(mtz.column_with_label("I").array), rtol=1e-4)


def test_half_sets_and_flags_are_in_the_merged_file(scaled: MadeUp) -> None:
    parameters = MergingParameters(half_datasets=True)
    table = merge(scaled.reflections, scaled.experiments, parameters).reflections
    mtz = merged_mtz(table, scaled.experiments)
    assert mtz.column_labels()[-6:] == (
        ["IHALF1", "SIGIHALF1", "NHALF1", "IHALF2", "SIGIHALF2", "NHALF2"]
    )
    free = np.array(mtz.column_with_label("FreeR_flag"))
    assert 0 < (free == 0).mean() < 0.15
    assert free.max() == 19


def test_what_does_not_fit_says_so(scaled: MadeUp, tmp_path: Path) -> None:
    none = scaled.reflections | {"flags": np.zeros(len(scaled.true), np.uint32)}
    with pytest.raises(InputError, match="run scale"):
        write_xds_ascii(tmp_path / "a", none, scaled.experiments)
    empty = {
        "hkl": np.zeros((1, 3), np.int32),
        "intensity": np.full(1, np.nan),
        "sigma": np.ones(1),
    }
    with pytest.raises(InputError, match="run merge"):
        write_shelx_hkl(tmp_path / "a", empty)
    one = np.ones(1)
    large = {"hkl": np.array([[1000, 0, 0]], np.int32), "intensity": one, "sigma": one}
    with pytest.raises(InputError, match="give format=mtz"):
        write_shelx_hkl(tmp_path / "a", large)
    assert not list(tmp_path.iterdir())


def test_xds_ascii_has_a_file_for_each_run(tmp_path: Path) -> None:
    two = made_up(share=0.1, transmissions=(1.0, 0.5), d_min=6.0)
    two.reflections = scale(two.reflections, two.experiments).reflections
    runs = [member.run for member in two.experiments.members]
    files = write_xds_ascii(tmp_path / "a.HKL", two.reflections, two.experiments)
    assert files == [tmp_path / f"a_{run}.HKL" for run in runs]
    n = [len(gemmi.read_xds_ascii(str(file)).iobs_array) for file in files]
    assert sum(n) == is_scaled(two.reflections).sum()
    assert min(n) > 0
    files[1].unlink()
    first = two.reflections["experiment"] == 0
    only = two.reflections | {"flags": np.where(first, two.reflections["flags"], 0).astype("u4")}
    assert write_xds_ascii(tmp_path / "a.HKL", only, two.experiments) == files[:1]
    assert not files[1].exists()


def test_lattices_of_a_run_are_numbered(scaled: MadeUp) -> None:
    alone = scaled.experiments[0]
    both = ExperimentList.of([replace(alone, identifier=x) for x in ("a", "b")])
    names = [file.name for file in xds_files("x/a.HKL", both)]
    assert names == [f"a_{alone.run}_1.HKL", f"a_{alone.run}_2.HKL"]


def test_crystfel_and_csv_have_the_history_asked_for(scaled: MadeUp, tmp_path: Path) -> None:
    table = merge(scaled.reflections, scaled.experiments).reflections
    write_crystfel_hkl(tmp_path / "a.hkl", table, gemmi.SpaceGroup(19), PROCESSING)
    end = (tmp_path / "a.hkl").read_text().split("End of reflections\n")[1]
    assert end.splitlines() == ["From dxdask 1.2", "scale by dxdask 1.2: d_min = 2"]
    write_csv(tmp_path / "a.csv", table, PROCESSING)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[:2] == ["# From dxdask 1.2", "# scale by dxdask 1.2: d_min = 2"]
    frame = pd.read_csv(tmp_path / "a.csv", comment="#")
    np.testing.assert_array_equal(frame["h"], table["hkl"][:, 0])

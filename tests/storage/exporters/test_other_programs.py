"""XDS_ASCII, SHELX and unmerged mmCIF, read back by gemmi and by our own importer."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.merging import MergingParameters, merge
from dxdask.scaling import scale
from dxdask.storage.exporters.mmcif import write_unmerged_mmcif
from dxdask.storage.exporters.mtz import merged_mtz
from dxdask.storage.exporters.mtz_unmerged import unmerged_mtz
from dxdask.storage.exporters.xds_ascii import write_shelx_hkl, write_xds_ascii


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.2, transmissions=(1.0,), d_min=4.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def test_xds_ascii_reads_back(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "XDS_ASCII.HKL"
    write_xds_ascii(path, scaled.reflections, scaled.experiments)
    xds = gemmi.read_xds_ascii(str(path))
    good = has_flag(scaled.reflections, Flag.SCALED) & ~has_flag(
        scaled.reflections, Flag.BAD_FOR_SCALING
    )
    np.testing.assert_array_equal(xds.miller_array, scaled.reflections["hkl"][good])
    np.testing.assert_allclose(xds.iobs_array, scaled.reflections["intensity"][good], rtol=1e-3)
    assert xds.spacegroup_number == 19
    assert xds.wavelength == pytest.approx(1.0)
    assert xds.cell_constants == pytest.approx([40, 50, 60, 90, 90, 90])


def test_shelx_has_fixed_columns_and_every_mate(scaled: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "shelx.hkl"
    table = merge(scaled.reflections, scaled.experiments).reflections
    write_shelx_hkl(path, table)
    lines = path.read_text().splitlines()
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
    two = made_up(share=0.1, transmissions=(1.0, 0.5), d_min=6.0)
    two.reflections = scale(two.reflections, two.experiments).reflections
    with pytest.raises(InputError, match="one run"):
        write_xds_ascii(tmp_path / "a", two.reflections, two.experiments)
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
    assert not list(tmp_path.iterdir())

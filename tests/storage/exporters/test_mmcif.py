"""mmCIF files read back by gemmi."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.made_up import made_up

from dxdask.columns import Reflections, concatenate
from dxdask.errors import InputError, SchemaError
from dxdask.merging import merge
from dxdask.models import ExperimentList
from dxdask.scaling import scale
from dxdask.storage.exporters.mmcif import write_merged_mmcif


@pytest.fixture(scope="module")
def merged() -> tuple[Reflections, ExperimentList]:
    data = made_up(share=0.2)
    table = scale(data.reflections, data.experiments).reflections
    return merge(table, data.experiments).reflections, data.experiments


def values(block: gemmi.cif.Block, name: str) -> np.ndarray:
    found = block.find_values(f"_refln.{name}")
    return np.array([gemmi.cif.as_number(value) for value in found])


def test_a_file_holds_the_merged_table(
    merged: tuple[Reflections, ExperimentList], tmp_path: Path
) -> None:
    table, experiments = merged
    write_merged_mmcif(tmp_path / "a.cif", table, experiments)
    block = gemmi.cif.read(str(tmp_path / "a.cif")).sole_block()
    order = np.lexsort(table["hkl"].T[::-1])
    hkl = np.column_stack([values(block, f"index_{x}") for x in "hkl"])
    np.testing.assert_array_equal(hkl, table["hkl"][order])
    for name, column in (
        ("intensity_meas", "intensity"),
        ("intensity_sigma", "sigma"),
        ("pdbx_I_plus", "intensity_plus"),
        ("pdbx_I_minus_sigma", "sigma_minus"),
    ):
        np.testing.assert_allclose(values(block, name), table[column][order], rtol=1e-5)
    assert block.find_value("_diffrn_radiation_wavelength.wavelength") == "1"
    assert gemmi.as_refln_blocks(gemmi.cif.read(str(tmp_path / "a.cif")))[0].cell.a == 40


def test_each_wavelength_has_a_block(
    merged: tuple[Reflections, ExperimentList], tmp_path: Path
) -> None:
    table, experiments = merged
    n = len(table["hkl"])
    half = {name: column[: n // 2] for name, column in table.items()}
    both = concatenate(
        [
            {**part, "wavelength": np.full(len(part["hkl"]), wavelength)}
            for part, wavelength in ((table, 0.9), (half, 0.9018))
        ]
    )
    write_merged_mmcif(tmp_path / "a.cif", both, experiments)
    blocks = gemmi.as_refln_blocks(gemmi.cif.read(str(tmp_path / "a.cif")))
    assert [b.wavelength for b in blocks] == [0.9, 0.9018]
    assert [len(b.make_miller_array()) for b in blocks] == [n, n // 2]


def test_what_cannot_be_written(merged: tuple[Reflections, ExperimentList], tmp_path: Path) -> None:
    table, experiments = merged
    with pytest.raises(InputError, match="no experiment has a crystal"):
        write_merged_mmcif(tmp_path / "a.cif", table, ExperimentList())
    with pytest.raises(SchemaError, match="sigma"):
        write_merged_mmcif(tmp_path / "a.cif", {"hkl": table["hkl"]}, experiments)
    assert not list(tmp_path.iterdir())

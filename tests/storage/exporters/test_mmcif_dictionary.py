"""Exported mmCIF files against the items of the PDBx/mmCIF dictionary."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.made_up import MadeUp, made_up
from support.mmcif_items import dictionary

from dxdask.columns import Flag, has_flag
from dxdask.merging import MergingParameters, merge_by_wavelength
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.scaling import scale
from dxdask.storage.exporters.mmcif import write_merged_mmcif, write_unmerged_mmcif
from dxdask.storage.exporters.processing import Processing, StepRecord
from dxdask.tables import Table

FULL = os.environ.get("MMCIF_DICTIONARY", "")


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.3, transmissions=(1.0, 0.5), d_min=4.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


@pytest.fixture(scope="module")
def merged(scaled: MadeUp) -> StepResult:
    return merge_by_wavelength(scaled.reflections, scaled.experiments, MergingParameters())


@pytest.fixture(scope="module")
def files(
    scaled: MadeUp, merged: StepResult, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, gemmi.cif.Document]:
    folder = tmp_path_factory.mktemp("cif")
    step = StepRecord(
        name="scale",
        created="2026-01-02T03:04:05",
        version="1.2",
        parameters=("d_min = 2", "ä = #;"),
    )
    tables = {table.name: table for table in merged.tables}
    processing = Processing(steps=(step,), tables=tables, isa=31.25)
    write_merged_mmcif(
        folder / "merged.cif", merged.reflections, scaled.experiments, None, processing
    )
    write_unmerged_mmcif(
        folder / "unmerged.cif", scaled.reflections, scaled.experiments, processing
    )
    return {path.stem: gemmi.cif.read(str(path)) for path in folder.iterdir()}


def faults(document: gemmi.cif.Document, full: str = "") -> list[str]:
    found: list[str] = []
    ddl = gemmi.cif.Ddl(found.append)
    ddl.read_ddl(gemmi.cif.read(full) if full else dictionary())
    assert ddl.validate_cif(document) or found
    return found


@pytest.mark.parametrize("name", ["merged", "unmerged"])
def test_items_types_and_ranges_are_those_of_the_dictionary(
    files: dict[str, gemmi.cif.Document], name: str
) -> None:
    assert faults(files[name]) == []


@pytest.mark.skipif(not FULL, reason="MMCIF_DICTIONARY names no mmcif_pdbx_v50.dic")
@pytest.mark.parametrize("name", ["merged", "unmerged"])
def test_files_fit_the_whole_dictionary(files: dict[str, gemmi.cif.Document], name: str) -> None:
    assert faults(files[name], FULL) == []


def test_the_check_finds_faults(files: dict[str, gemmi.cif.Document]) -> None:
    for tag, value, fault in (
        ("_reflns.wrong", "1", "unknown tag"),
        ("_cell.angle_beta", "190", "out of expected range"),
        ("_audit.creation_date", "yesterday", "does not match"),
    ):
        document = gemmi.cif.read_string(files["merged"].as_string())
        document[0].set_pair(tag, value)
        assert any(fault in line for line in faults(document)), tag
    bare = gemmi.cif.read_string("data_a\n_software.pdbx_ordinal 1\n")
    assert any("missing mandatory tag" in line for line in faults(bare))


def test_statistics_are_those_of_merging(
    files: dict[str, gemmi.cif.Document], merged: StepResult
) -> None:
    overall, shells = merged.table("overall").rows[0], merged.table("shells").rows
    for name, block in ((name, document[0]) for name, document in files.items()):
        [row] = block.find("_reflns.", ["pdbx_Rrim_I_all", "number_obs", "pdbx_diffrn_id"])
        assert float(row[0]) == pytest.approx(overall["r_meas"], abs=5e-5)
        assert int(row[1]) == overall["n_unique"]
        assert row[2] == {"merged": "1", "unmerged": "1,2"}[name]
        assert "ISa 31.2" in block.find_values("_reflns.details")[0]
        assert "d_min = 2" in block.find_values("_reflns.data_reduction_details")[0]
        found = block.find_values("_reflns_shell.number_measured_all")
        assert [int(x) for x in found] == [shell["n_obs"] for shell in shells]
        assert list(block.find_values("_software.name")) == ["dxdask", "dxdask"]


def test_unmerged_reflections_have_their_indices_and_scales(
    files: dict[str, gemmi.cif.Document], scaled: MadeUp
) -> None:
    tags = ["index_h", "index_k", "index_l", "intensity_net", "pdbx_scale_value", "diffrn_id"]
    rows = np.array(
        [[float(x) for x in r] for r in files["unmerged"][0].find("_diffrn_refln.", tags)]
    )
    table = scaled.reflections
    good = has_flag(table, Flag.SCALED) & ~has_flag(table, Flag.BAD_FOR_SCALING)
    own = np.column_stack(
        [table["hkl"], table["intensity"], 1 / table["scale"], table["experiment"] + 1]
    )[good]
    rows, own = (found[np.lexsort(found.T[[3, 2, 1, 0, 5]])] for found in (rows, own))
    np.testing.assert_allclose(rows, own, rtol=1e-4, atol=1e-4)


def test_each_wavelength_has_its_own_statistics(scaled: MadeUp, tmp_path: Path) -> None:
    first, second = scaled.experiments
    experiments = ExperimentList.of(
        [first, replace(second, beam=replace(second.beam, wavelength=1.5))]
    )
    result = merge_by_wavelength(scaled.reflections, experiments, MergingParameters())
    rows = result.table("overall").rows
    assert [row["wavelength"] for row in rows] == [1.0, 1.5]
    assert rows[0]["n_obs"] != rows[1]["n_obs"]
    processing = Processing(tables={table.name: table for table in result.tables})
    write_merged_mmcif(tmp_path / "a.cif", result.reflections, experiments, None, processing)
    write_unmerged_mmcif(tmp_path / "b.cif", scaled.reflections, experiments, processing)
    merged, unmerged = (gemmi.cif.read(str(tmp_path / f"{name}.cif")) for name in "ab")
    assert faults(merged) == faults(unmerged) == []
    tag = "_reflns.pdbx_number_measured_all"
    numbers = [row["n_obs"] for row in rows]
    assert [int(block.find_values(tag)[0]) for block in merged] == numbers
    assert [int(x) for x in unmerged[0].find_values(tag)] == numbers
    assert list(unmerged[0].find_values("_reflns.pdbx_diffrn_id")) == ["1", "2"]
    assert len(unmerged[0].find_values("_reflns_shell.pdbx_ordinal")) == 20


def test_statistics_of_stills_have_r_split(
    scaled: MadeUp, merged: StepResult, tmp_path: Path
) -> None:
    row = {"d_max": 30.0, "d_min": 4.0, "n_obs": 90, "n_unique": 30, "completeness": 0.5}
    row |= {"multiplicity": 3.0, "i_over_sigma": 2.5, "r_split": 0.123, "cc_half": None}
    tables = {n: Table(name=n, title="", rows=[row]) for n in ("overall", "shells")}
    write_merged_mmcif(
        tmp_path / "a.cif", merged.reflections, scaled.experiments, None, Processing(tables=tables)
    )
    document = gemmi.cif.read(str(tmp_path / "a.cif"))
    assert faults(document) == []
    for category in ("_reflns", "_reflns_shell"):
        assert list(document[0].find_values(f"{category}.pdbx_R_split")) == ["0.1230"]
        assert not document[0].find_values(f"{category}.pdbx_CC_half")


def test_without_statistics_there_is_no_category_of_them(
    scaled: MadeUp, merged: StepResult, tmp_path: Path
) -> None:
    write_merged_mmcif(tmp_path / "a.cif", merged.reflections, scaled.experiments)
    document = gemmi.cif.read(str(tmp_path / "a.cif"))
    assert faults(document) == []
    assert not document[0].find_values("_reflns.entry_id")

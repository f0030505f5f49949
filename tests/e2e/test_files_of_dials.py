"""Exported files beside those that DIALS writes of the same data: columns, types, headers."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.ensemble_example import N_IMAGES
from support.shoebox_examples import needs_dials, run_dials

import dxdask
from dxdask.storage.importers.xds.header import read
from dxdask.storage.store.store import Store

pytestmark = [pytest.mark.dials, pytest.mark.slow, needs_dials]


@pytest.fixture(scope="module")
def files(processed: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files of dxdask, and those of DIALS called `theirs_...`."""
    folder = tmp_path_factory.mktemp("files")
    for step in ("integrate", "scale"):
        given = {"step": step, "mtz.unmerged": True}
        dxdask.export(processed, step=step, output=str(folder / f"{step}.expt"))
        dxdask.export(processed, output=str(folder / f"{step}.mtz"), **given)
        run_dials(
            "dials.export", f"{step}.expt", f"{step}.refl", f"mtz.hklout=theirs_{step}.mtz",
            folder=folder,
        )  # fmt: skip
    dxdask.export(processed, output=str(folder / "merged.mtz"))
    dxdask.export(processed, output=str(folder / "XDS.HKL"))
    run_dials(
        "dials.merge", "scale.expt", "scale.refl", "output.mtz=theirs_merged.mtz",
        "output.html=None", folder=folder,
    )  # fmt: skip
    run_dials("dials.export", "integrate.expt", "integrate.refl", "format=xds_ascii", folder=folder)
    return folder


def pair(files: Path, name: str) -> list[gemmi.Mtz]:
    return [gemmi.read_mtz_file(str(files / f"{who}{name}.mtz")) for who in ("", "theirs_")]


@pytest.mark.parametrize("name", ["merged", "scale", "integrate"])
def test_columns_of_dials_are_there_with_their_types(files: Path, name: str) -> None:
    ours, theirs = pair(files, name)
    types = {c.label: c.type for c in ours.columns}
    lacking = {c.label for c in theirs.columns} - set(types)
    assert lacking <= {"SIGSCALEUSED"}  # errors of scales are not propagated
    for column in theirs.columns:
        if column.label not in lacking:
            assert types[column.label] == column.type, column.label
    assert ours.nreflections == theirs.nreflections
    assert ours.spacegroup == theirs.spacegroup
    assert ours.cell.parameters == pytest.approx(theirs.cell.parameters, abs=1e-3)
    assert ours.datasets[-1].wavelength == pytest.approx(theirs.datasets[-1].wavelength)


def test_integrated_values_are_those_of_dials(files: Path) -> None:
    ours, theirs = pair(files, "integrate")
    # places of DIALS are those observed, ours are those predicted
    labels = ("I", "SIGI", "IPR", "SIGIPR", "FRACTIONCALC", "LP", "QE", "BG", "SIGBG")
    tables = []
    for mtz in (ours, theirs):
        mtz.switch_to_original_hkl()
        image = np.searchsorted(
            [batch.number for batch in mtz.batches], mtz.column_with_label("BATCH").array
        )
        hkl = mtz.make_miller_array()
        values = np.column_stack([mtz.column_with_label(label).array for label in labels])
        order = np.lexsort((image // N_IMAGES, *hkl.T))
        tables.append((hkl[order], image[order], values[order]))
    np.testing.assert_array_equal(tables[0][0], tables[1][0])
    # ours is the image of the prediction, that of DIALS the observed one
    assert np.abs(tables[0][1] - tables[1][1]).max() <= 1
    known = np.isfinite(tables[0][2])  # DIALS writes 0 where no profile was fitted
    for k, label in enumerate(labels):
        left, right = (table[2][known[:, k], k] for table in tables)
        if label in ("IPR", "SIGIPR"):  # which DIALS takes for those of whole reflections
            right = right / tables[1][2][known[:, k], labels.index("FRACTIONCALC")]
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=2e-3, err_msg=label)


@pytest.mark.parametrize("name", ["scale", "integrate"])
def test_batches_have_cell_orientation_beam_and_scan_of_dials(files: Path, name: str) -> None:
    ours, theirs = pair(files, name)
    places = {
        "cell": slice(0, 6), "orientation": slice(6, 15), "rotation": slice(36, 38),
        "scan axis": slice(38, 41), "width": slice(47, 48), "goniostat axis": slice(59, 62),
        "source": slice(80, 86), "wavelength": slice(86, 87), "detector size": slice(113, 117),
    }  # fmt: skip
    for a, b in zip(ours.batches, theirs.batches, strict=True):
        left, right = (np.array([batch.floats[i] for i in range(156)]) for batch in (a, b))
        for what, place in places.items():
            np.testing.assert_allclose(left[place], right[place], atol=2e-4, err_msg=what)
        # DIALS's law of parallax is another one, which moves the detector it is given
        assert left[111] == pytest.approx(right[111], abs=0.1)


def test_xds_headers_have_the_keys_of_dials(files: Path) -> None:
    for number in range(3):
        ours = read(files / f"XDS_tiny_{number + 1}.HKL").values
        theirs = read(files / f"DIALS_{number}.HKL").values
        assert theirs.keys() <= ours.keys()
        for key in theirs.keys() - {"ORGX", "ORGY", "DETECTOR_DISTANCE", "NX", "NY"}:
            if key.startswith(("ITEM_", "NUMBER_OF_ITEMS", "FORMAT", "MERGE", "FRIEDEL")):
                continue
            left, right = (np.array(v[key].split(), dtype=float) for v in (ours, theirs))
            np.testing.assert_allclose(left, right, atol=2e-3, err_msg=key)
        # XDS counts the centre of the first pixel as 1, and DIALS as 0.5
        for key in ("ORGX", "ORGY"):
            assert float(ours[key]) - float(theirs[key]) == pytest.approx(0.5, abs=0.02)

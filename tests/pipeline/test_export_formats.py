"""Formats of exported files: by the ending of their names, and what cannot be written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

import dxdask
from dxdask.cli.overview import as_data, overview
from dxdask.columns import select
from dxdask.errors import InputError, ParameterError, StoreNotFoundError, StoreWriteError
from dxdask.models import Experiment
from dxdask.models.vectors import rotation_matrix
from dxdask.pipeline.export_parameters import SUFFIX, ExportParameters, Format, format_of
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (None, "mtz"),
        ("a.mtz", "mtz"),
        ("a.MTZ", "mtz"),
        ("a.cif", "mmcif"),
        ("a.refl", "dials"),
        ("x.y/a.HKL", "xds_ascii"),
    ],
)
def test_the_ending_gives_the_format(output: str | None, kind: Format) -> None:
    assert format_of(ExportParameters(output=output)) == kind


def test_a_format_given_comes_before_the_ending() -> None:
    for kind in SUFFIX:
        assert format_of(ExportParameters(format=kind, output="a.txt")) == kind
    with pytest.raises(ParameterError, match=r"endings \.mtz, .*format=|format=.*endings \.mtz"):
        format_of(ExportParameters(output="a.txt"))
    with pytest.raises(ParameterError, match="give format=hkl or format=shelx"):
        format_of(ExportParameters(output="a.hkl"))


def test_files_are_of_the_format_of_their_ending(processed: Store, tmp_path: Path) -> None:
    for name in ("a.cif", "a.csv", "a.refl"):
        files = dxdask.export(processed, output=str(tmp_path / name))
        assert str(tmp_path / name) in files
    assert gemmi.cif.read(str(tmp_path / "a.cif")).sole_block().find_value("_entry.id")
    history = json.loads((tmp_path / "a.expt").read_text())["history"]
    assert [line.split("|")[1] for line in history][-1] == "dxdask.scale"
    assert "space_group = I 21 3" in history[1]


def test_xds_files_place_the_reflections_where_they_were(processed: Store, tmp_path: Path) -> None:
    """Indices and angles of each line, with the models of its header, give its pixels."""
    files = dxdask.export(processed, output=str(tmp_path / "a.HKL"))
    experiments = processed.experiments("scale")
    assert files == [str(tmp_path / f"a_{m.run}.HKL") for m in experiments.members]
    for file, own in zip(files, experiments, strict=True):
        [run] = read_runs([file])
        [result] = [r for r in run.results if r.step == "scale"]
        found, table = result.experiments[0], result.reflections
        assert found.scan is not None
        assert own.scan is not None
        start, width = found.scan.oscillation
        start += width * (own.scan.image_range[0] - found.scan.image_range[0])
        assert (start, width) == pytest.approx(own.scan.oscillation)
        assert found.detector.frame_shape == own.detector.frame_shape
        assert found.detector[0].distance == pytest.approx(own.detector[0].distance, abs=1e-3)
        first = table["y_cal"] < own.detector[0].image_size[1]  # on the module that the header has
        expected = np.column_stack([table["x_cal"], table["y_cal"]])
        xy = _pixels(found, select(table, first))
        # one decimal in the file, and parallax, which XDS does not have in its header
        np.testing.assert_allclose(xy, expected[first], atol=0.3)


@pytest.mark.parametrize("name", ["a.mtz", "a.HKL"])
def test_overview_of_reflections_without_frames(
    processed: Store, tmp_path: Path, name: str
) -> None:
    given: dict[str, Any] = {"mtz": {"unmerged": True}} if name == "a.mtz" else {}
    files = dxdask.export(processed, output=str(tmp_path / name), **given)
    store = dxdask.import_(files, tmp_path / "b.zarr")
    detectors = [line for line in overview(store) if "detector" in line]
    assert len(detectors) == 1
    assert ("not known" in detectors[0]) == (
        not store.run_experiment(store.runs[0]).detector.panels
    )
    assert len(as_data(store)["runs"]) == len(store.runs)


def _pixels(experiment: Experiment, table: dict[str, np.ndarray]) -> np.ndarray:
    assert experiment.crystal is not None
    assert experiment.goniometer is not None
    assert experiment.scan is not None
    phi = experiment.scan.phi_from_z(table["z_cal"])
    turns = np.array([rotation_matrix(experiment.goniometer.rotation_axis, x) for x in phi])
    s1 = experiment.beam.s0 + np.einsum("nij,nj->ni", turns, table["hkl"] @ experiment.crystal.a.T)
    [panel] = experiment.detector.panels
    return panel.mm_to_pixel(panel.ray_intersection(s1))


@pytest.mark.parametrize("kind", sorted(set(SUFFIX) - {"parquet"}))
def test_what_cannot_be_written(processed: Store, tmp_path: Path, kind: Format) -> None:
    (tmp_path / "file").write_text("")
    if kind == "stream":
        return  # of stills only
    with pytest.raises(StoreWriteError, match="check the rights and the name"):
        dxdask.export(processed, format=kind, output=str(tmp_path / "file" / "a.out"))
    with pytest.raises(StoreWriteError, match="check the rights"):
        dxdask.export(processed, format=kind, output="/proc/dxdask/a.out")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_nothing_merged_yet(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(raw[:1], tmp_path / "a.zarr")
    for kind in ("mtz", "mmcif", "hkl", "shelx"):
        with pytest.raises(StoreNotFoundError, match="merge"):
            dxdask.export(store, format=kind, output=str(tmp_path / "a.out"))
    with pytest.raises(StoreNotFoundError, match="scale"):
        dxdask.export(store, format="xds_ascii", output=str(tmp_path / "a.out"))
    with pytest.raises(StoreNotFoundError, match="find_spots"):
        dxdask.export(store, format="csv", output=str(tmp_path / "a.out"))


def test_files_that_are_there_are_kept_when_asked(processed: Store, tmp_path: Path) -> None:
    run = processed.runs[1]
    (tmp_path / f"a_{run}.HKL").write_text("before")
    with pytest.raises(InputError, match=rf"a_{run}\.HKL exists"):
        dxdask.export(processed, output=str(tmp_path / "a.HKL"), overwrite=False)
    assert (tmp_path / f"a_{run}.HKL").read_text() == "before"

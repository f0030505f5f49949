"""Metrology of stills in a store: what it holds, shows, writes and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.made_up_stills import CELL, Shots, centres, displaced, moved_panels, panels, shots

import dxdask
from dxdask.cli.main import run
from dxdask.errors import FormatError, InputError, ParameterError, StoreNotFoundError
from dxdask.models import Crystal, Experiment, ExperimentList
from dxdask.pipeline.metrology.shifts import detector_shifts, detector_statistics
from dxdask.results import StepResult
from dxdask.storage.exporters.geometry import write_geometry
from dxdask.storage.importers.reference_geometry import read_geometry
from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def made() -> Shots:
    """Return stills on panels away from their places in the file."""
    return shots(12, true_detector=displaced(), noise_px=0.1)


def indexed(made: Shots, *runs: Experiment) -> StepResult:
    """Return a result of the step index of these stills, all of the first run."""
    crystal = Crystal.from_cell(CELL, space_group="P 43 21 2")
    return StepResult(
        experiments=ExperimentList.of([made.experiment, *runs]).with_crystal(crystal),
        reflections=made.reflections,
        arrays=made.stills,
    )


def stored(path: Path, result: StepResult) -> Store:
    """Return a store with the step index, and runs without frames to speak of."""
    store = Store.open(path) if path.exists() else Store.create(path)
    for experiment in result.experiments:
        if not store.has_run(experiment.run):
            models = replace(experiment, crystal=None)
            write_run(store, experiment.run, np.zeros((12, 1, 1), "uint16"), models)
    store.write_step("index", result)
    return store


def write_run(store: Store, name: str, images: Any, experiment: Experiment) -> None:
    shape = images.shape[1:]
    with store.writing():
        writer = store.create_run(
            name, experiment, n_images=len(images), shape=shape, dtype=images.dtype, chunk=12
        )
        writer.write(0, images)
        writer.finish()


@pytest.fixture
def store(made: Shots, tmp_path: Path) -> Store:
    return stored(tmp_path / "s.zarr", indexed(made))


def refined(store: Store, **given: Any) -> Store:
    return dxdask.refine_metrology(store.path, cluster="threads", **given)


def test_the_store_holds_the_refined_detector(store: Store, made: Shots) -> None:
    refined(store)
    step = store.read_step("refine_metrology")
    assert [t.name for t in step.tables] == ["rmsds", "shifts", "statistics", "stills"]
    found = centres(step.experiments[0].detector)
    before = centres(made.experiment.detector) - centres(made.true_detector)
    after = found - centres(made.true_detector)
    assert np.abs(after[:, 2]).max() < 0.03 < np.abs(before[:, 2]).min()
    # the spots do not determine the rotation of the whole about the beam
    assert np.sqrt((after[:, :2] ** 2).mean()) < 0.3 * np.sqrt((before[:, :2] ** 2).mean())
    assert step.experiments[0].crystal is not None
    assert "Gauge: the rotation of the whole about the beam" in " ".join(step.messages)
    assert "110.000 mm before, 110.2" in " ".join(step.messages)


def test_rmsds_fall_on_every_panel(store: Store) -> None:
    rows = refined(store).read_step("refine_metrology").table("rmsds").rows
    assert [r["panel"] for r in rows] == ["p0", "p1", "p2", "p3", "all"]
    assert rows[-1]["n_spots"] == sum(r["n_spots"] for r in rows[:-1])
    for row in rows:
        for axis in "xy":
            # the noise is 0.1 px, of which crystals of fifteen spots each take up a part
            assert 0.04 < row[f"rmsd_{axis}_px"] < 0.1
            assert row[f"rmsd_{axis}_px_before"] > 1.5 * row[f"rmsd_{axis}_px"]


def test_stills_used_and_rejected_are_reported(store: Store, made: Shots) -> None:
    spots = {name: values.copy() for name, values in made.reflections.items()}
    bad = np.floor(spots["z"]) == 3
    spots["x"][bad] += np.random.default_rng(0).normal(0, 8, bad.sum())
    stored(store.path, replace(indexed(made), reflections=spots))
    step = refined(store).read_step("refine_metrology")
    used = {row["image"]: row["used"] for row in step.table("stills").rows}
    assert len(used) == 12
    assert not used[4]
    assert f"Rejected {12 - sum(used.values())} of 12 stills" in " ".join(step.messages)
    step = refined(store, metrology={"n_subset": 6}).read_step("refine_metrology")
    assert len(step.table("stills").rows) == 6
    assert "Used 6 of 12 indexed stills" in " ".join(step.messages)


def test_it_is_not_repeated_but_when_something_changes(store: Store, made: Shots) -> None:
    def made_again(**given: Any) -> bool:
        before = store.has_step("refine_metrology") and store.step_attributes("refine_metrology")
        after = refined(store, **given).step_attributes("refine_metrology")
        return not before or before["id"] != after["id"]

    assert made_again()
    assert not made_again()
    assert made_again(force=True)
    assert made_again(metrology={"split_dataset": False})
    assert not made_again(metrology={"split_dataset": False})
    assert not made_again(metrology={"split_dataset": False}, output={"data": "/elsewhere"})
    stored(store.path, indexed(made))
    assert made_again(metrology={"split_dataset": False})


def test_metrology_of_refined_panels_changes_little(store: Store, made: Shots) -> None:
    first = refined(store).experiments("refine_metrology")[0]
    stored(store.path, indexed(replace(made, experiment=first)))
    second = refined(store).experiments("refine_metrology")[0]
    np.testing.assert_allclose(centres(second.detector), centres(first.detector), atol=5e-3)


def test_runs_share_the_detector(store: Store, made: Shots) -> None:
    other = replace(made.experiment, run="other", identifier="other")
    stored(store.path, indexed(made, replace(other, detector=panels())))
    experiments = refined(store).experiments("refine_metrology")
    assert len(experiments) == 2
    assert len(experiments.detectors) == 1
    stored(store.path, indexed(made, replace(other, detector=panels(111.0))))
    with pytest.raises(InputError, match="made_up and other have different detectors"):
        refined(store)


def test_unrefinable_stills_are_refused(store: Store, made: Shots, tmp_path: Path) -> None:
    empty = Store.create(tmp_path / "empty.zarr")
    with pytest.raises(StoreNotFoundError, match="holds no complete run; run: dxdask import"):
        refined(empty)
    with pytest.raises(StoreNotFoundError, match="holds no refined geometry; run: dxdask refine_m"):
        detector_shifts(store.path)
    with pytest.raises(StoreNotFoundError, match="holds no refined geometry"):
        detector_statistics(store.path)
    one = dict(made.stills, indexed=np.arange(12) == 0)
    stored(store.path, replace(indexed(made), arrays=one))
    with pytest.raises(InputError, match="metrology needs at least two"):
        refined(store)
    refined(stored(store.path, indexed(made)), metrology={"split_dataset": False})
    with pytest.raises(InputError, match=r"no halves to compare.*metrology.split_dataset=true"):
        detector_statistics(store.path)


def test_weights_that_did_not_converge_are_reported(store: Store) -> None:
    shifts = np.zeros((4, 3))
    shifts[2, 2] = -0.3
    true = moved_panels(panels(), shifts, np.zeros((4, 3)))
    stepped = shots(30, true_detector=true, noise_px=0.05)
    stored(store.path, indexed(stepped))
    shown = {}
    for parts in (("shift", "rotation"), ("shift", "rotation", "distance")):
        step = refined(store, metrology={"detector": {"parts": parts}, "split_dataset": False})
        shown[len(parts)] = " ".join(step.read_step("refine_metrology").messages)
    assert "the parts that may move do not fit the spots" in shown[2]
    assert "do not fit the spots" not in shown[3]


def test_two_stills_do(store: Store, made: Shots) -> None:
    two = dict(made.stills, indexed=np.arange(12) < 2)
    stored(store.path, replace(indexed(made), arrays=two))
    step = refined(store).read_step("refine_metrology")
    assert [t.name for t in step.tables] == ["rmsds", "shifts", "stills"]
    assert "and 2 crystals" in step.messages[0]


@pytest.mark.parametrize("name", ["r.geom", "r.expt", "r.json"])
def test_geometry_comes_back(store: Store, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    refined(store, output={"geometry": [path]})
    stored, found = store.experiments("refine_metrology")[0], read_geometry(path)
    for one, other in zip(stored.detector.panels, found.detector.panels, strict=True):
        np.testing.assert_allclose(one.d_matrix, other.d_matrix, atol=2e-9)
        assert (one.offset, one.image_size) == (other.offset, other.image_size)
    assert found.beam is not None
    assert found.beam.wavelength == pytest.approx(stored.beam.wavelength, rel=1e-12)
    _, table = detector_shifts(store.path, path)
    assert max(abs(row["delta_xy_um"]) for row in table.rows) < 1e-4
    assert table.rows[0]["n_spots"] > 100


def test_crystfel_geometry_names_frames_and_wavelengths(store: Store, tmp_path: Path) -> None:
    output = {"geometry": [tmp_path / "r.geom"], "data": "/d/frames", "wavelength": "/d/lambda"}
    refined(store, output=output)
    text = (tmp_path / "r.geom").read_text()
    assert "data = /d/frames" in text
    assert "wavelength = /d/lambda A" in text


def test_other_suffixes_are_refused(store: Store, made: Shots, tmp_path: Path) -> None:
    for output in ({"geometry": ["r.txt"]}, {"picture": "r.txt"}):
        with pytest.raises(ParameterError, match=r"r.txt is no \."):
            refined(store, output=output)
    with pytest.raises(FormatError, match="cannot write a geometry"):
        write_geometry(tmp_path / "r.txt", made.experiment)
    with pytest.raises(InputError, match="is no geometry; give a store"):
        detector_shifts(store.path, "r.txt")
    with pytest.raises(InputError, match="no such geometry"):
        detector_shifts(store.path, "r.geom")
    with pytest.raises(InputError, match=r"is a store.*output.geometry=refined.geom"):
        read_geometry(store.path)
    with pytest.raises(InputError, match="give a second geometry"):
        detector_shifts("r.geom")


def test_commands(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(store.path), f"output.geometry={tmp_path / 'r.geom'}"]
    picture = tmp_path / "m.svg"
    assert run(["refine_metrology", *words, f"output.picture={picture}", "cluster=threads"]) == 0
    shown = capsys.readouterr().out
    for text in ("Refined 4 panels", "wrote", "the rest: dxdask show"):
        assert text in shown
    assert "<svg" in picture.read_text()
    assert (tmp_path / "r.geom").exists()
    log = store.path.with_suffix(".log").read_text()
    for text in ("Refined 4 panels", "Detector shifts:", "RMSDs by panel:", "even stills"):
        assert text in log
    assert run(["detector_shifts", str(store.path), "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    rows = tables["shifts"]
    assert tables["congruence"][0]["distance_before_mm"] == pytest.approx(110.0)
    assert rows == list(store.read_step("refine_metrology").table("shifts").rows)
    assert run(["detector_statistics", str(store.path)]) == 0
    shown = capsys.readouterr().out
    assert "even stills against odd ones" in shown
    assert "without one rotation about the beam" in shown
    assert run(["detector_shifts", str(store.path), str(tmp_path / "r.geom")]) == 0
    assert run(["show", str(store.path), "refine_metrology"]) == 0
    assert "weighted sigma" in capsys.readouterr().out
    for command in ("refine_metrology", "detector_shifts", "detector_statistics"):
        assert run([command, "-c"]) == 0
        assert run([command]) == 2
    assert run(["refine_metrology", str(store.path), "output.picture=a.txt"]) == 2
    assert run(["detector_shifts", "a", "b", "c"]) == 2
    assert run(["refine_metrology", str(tmp_path / "none.zarr")]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_wrong_parameters_are_named(store: Store) -> None:
    with pytest.raises(ParameterError, match=r"did you mean metrology.n_subset"):
        refined(store, **{"metrology.n_subsets": 3})
    with pytest.raises(ParameterError, match="belongs to the command line; draw with"):
        refined(store, output={"picture": "moves.svg"})


def test_sweeps_are_refused(processed: Store) -> None:
    with pytest.raises(ParameterError, match="a step for stills, not for sweeps"):
        dxdask.refine_metrology(processed.path)

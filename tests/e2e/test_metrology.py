"""From simulated events with panels out of place to panels where they truly are, by commands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.still_examples import true_crystals

from dxdask.cli.main import run
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.still import separation
from dxdask.pipeline.metrology.shifts import compare
from dxdask.refinement.metrology.congruence import Congruence, congruence
from dxdask.refinement.metrology.panel_frames import with_panel_frames
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.shared

LYSOZYME = KnownCell.of((79.2, 79.2, 38.0, 90.0, 90.0, 90.0), "P43212")
PIXEL = 0.1
GIVEN = (
    "dispatch.integrate=false", "cluster=threads",
    "indexing.known_symmetry.unit_cell=79.2,79.2,38,90,90,90",
    "indexing.known_symmetry.space_group=P43212", "spotfinder.threshold.algorithm=dispersion",
    "dispersion.gain=1.5", "dispersion.global_threshold=4", "dispersion.sigma_background=6",
    "dispersion.sigma_strong=4", "spotfinder.filter.min_spot_size=2",
)  # fmt: skip


def command(*words: object) -> None:
    assert run([str(w) for w in words]) == 0


@pytest.fixture(scope="module")
def refined(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the store of the simulated events, indexed by the nominal geometry, then refined."""
    folder = tmp_path_factory.mktemp("metrology")
    path = folder / "s.zarr"
    command("stills_process", shared / "data/stills/corrected.h5", "-o", path, *GIVEN)
    command(
        "refine_metrology", path, "cluster=threads", f"output.geometry={folder / 'r.geom'}",
        f"output.geometry={folder / 'r.expt'}", f"output.picture={folder / 'moves.png'}",
    )  # fmt: skip
    return Store.open(path)


def off(shared: Path, store: Store, which: str = "refined") -> Congruence:
    """Return the error of the detector of all stills, of odd or even ones, or of the first one."""
    compared = compare(store.path, shared / "data/stills/geometry_true.json")
    found = with_panel_frames(compared.after, store.arrays("refine_metrology")[f"panels_{which}"])
    return congruence(compared.after, found, compared.beam)


def misorientations(shared: Path, store: Store) -> NDArray[np.float64]:
    """Return the misorientation of each indexed hit from the truth, degree."""
    truth, stills = true_crystals(shared / "data/stills"), store.arrays("index")
    return np.array(
        [
            separation(stills["a_matrix"][i], truth[int(stills["image"][i])], LYSOZYME)
            for i in np.flatnonzero(stills["indexed"])
        ]
    )


def test_panels_are_where_they_truly_are(shared: Path, refined: Store) -> None:
    before, after = off(shared, refined, "start"), off(shared, refined)
    assert before.centres / PIXEL > 0.7
    assert after.centres / PIXEL < 0.010
    assert after.rotations < 0.004
    assert after.distances[1] == pytest.approx(110.29, abs=0.05)
    assert (refined.path.parent / "moves.png").stat().st_size > 10_000


def test_halves_give_the_precision(shared: Path, refined: Store) -> None:
    for half in ("odd", "even"):
        found = off(shared, refined, half)
        assert found.centres / PIXEL < 0.012
        assert found.rotations < 0.004
        assert found.distances[1] == pytest.approx(110.29, abs=0.05)
    rows = refined.read_step("refine_metrology").table("statistics").rows
    mean = next(row for row in rows if row["part"] == "weighted mean")
    assert mean["delta_xy_um"] < 3.0


@pytest.mark.parametrize(
    "recipe",
    [
        {"detector.whole": "shift,distance"},
        {"detector.parts": "shift,rotation,tilt"},
        {"rmsd_filter.enable": "false"},
        {"cell.fix": "true"},
        {"cell.restraint": "None"},
        {"n_subset": "30"},
    ],
)
def test_any_recipe_leads_there(
    shared: Path, refined: Store, tmp_path: Path, recipe: dict[str, str]
) -> None:
    copy = tmp_path / "s.zarr"
    shutil.copytree(refined.path, copy)
    words = [f"metrology.{name}={value}" for name, value in recipe.items()]
    command("refine_metrology", copy, "cluster=threads", *words)
    found = off(shared, Store.open(copy))
    assert found.centres / PIXEL < 0.010
    assert found.rotations < 0.004
    assert found.distances[1] == pytest.approx(110.29, abs=0.05)


@pytest.mark.slow
def test_stills_fit_the_refined_geometry(shared: Path, refined: Store, tmp_path: Path) -> None:
    raw, again = shared / "data/stills/corrected.h5", tmp_path / "again.zarr"
    for geometry in (refined.path, refined.path.parent / "r.expt", refined.path.parent / "r.geom"):
        words = [*GIVEN, f"input.reference_geometry={geometry}", "overwrite=true"]
        command("stills_process", raw, "-o", again, *words)
        found = Store.open(again)
        stills = found.arrays("index")
        assert int(stills["hit"].sum()) == int(stills["indexed"].sum()) == 40
        for axis in "xy":
            assert np.median(stills[f"rmsd_{axis}_px"][stills["indexed"]]) <= 0.11
        angles = misorientations(shared, found)
        assert np.median(angles) <= 0.03
        assert angles.max() < 0.2


def test_the_same_store_is_indexed_again(refined: Store, shared: Path, tmp_path: Path) -> None:
    copy = tmp_path / "s.zarr"
    shutil.copytree(refined.path, copy)
    words = [*GIVEN, f"input.reference_geometry={copy}"]
    store = Store.open(copy)
    steps: list[dict[str, Any]] = []
    # of the store alone, then of the files again, which changes nothing
    for start in ([copy], [shared / "data/stills/corrected.h5", "-o", copy]):
        command("stills_process", *start, *words)
        steps.append({name: store.step_attributes(name)["id"] for name in ("find_spots", "index")})
    assert steps[0] == steps[1]
    assert steps[0]["find_spots"] == refined.step_attributes("find_spots")["id"]
    assert steps[0]["index"] != refined.step_attributes("index")["id"]
    command("refine_metrology", copy, "cluster=threads")
    rows = store.read_step("refine_metrology").table("shifts").rows
    assert max(row["delta_xy_um"] for row in rows) < 0.3
    assert off(shared, store).centres / PIXEL < 0.010

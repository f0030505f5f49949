"""Rows and pixels of earlier steps on the panels of a detector that refinement re-cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.painted_frames import experiment, paint

from dxdask.columns import Flag
from dxdask.errors import InputError
from dxdask.models import Detector, ExperimentList
from dxdask.pipeline.recut import StoredMasks, pixels_on, rows_on
from dxdask.pipeline.reference_geometry import placed
from dxdask.pipeline.stored_result import StoredResult
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.relative import with_moves
from dxdask.results import StepResult
from dxdask.storage.store.store import Store

CUT = (((0, 0, 300, 130), (0, 150, 300, 280)),)
MOVE = np.array([[0.0, 0.0, 0.0], [0.4, -1.0, 1.0]])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    painted = paint(experiment(n_images=2))
    run = replace(painted.experiment, run="painted")
    mask = painted.mask.copy()
    mask[130:150] = False
    made = Store.create(tmp_path_factory.mktemp("recut") / "a.zarr")
    writer = made.create_run(
        "painted", run, n_images=2, shape=mask.shape, dtype=painted.frames.dtype, mask=mask
    )
    writer.write(0, painted.frames)
    writer.finish([])
    spots = {
        "experiment": np.zeros(2, np.int32), "panel": np.zeros(2, np.int32),
        "flags": np.full(2, Flag.STRONG, np.uint32),
        "x": np.array([5.5, 100.5]), "y": np.array([6.5, 200.5]), "z": np.array([0.5, 1.5]),
        "bbox": np.array([[5, 6, 6, 7, 0, 1], [100, 101, 200, 202, 1, 2]], np.int32),
    }  # fmt: skip
    made.write_step(
        "find_spots", StepResult(experiments=ExperimentList.of([run]), reflections=spots)
    )
    return made


class WithPixels(StoredResult):
    """The spots with their strong pixels."""

    def pixels(self, names=None, *, run: str) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
        return {
            "pixel_offsets": np.array([0, 1, 3]), "pixel_x": np.array([5, 100, 100], np.int32),
            "pixel_y": np.array([6, 200, 201], np.int32), "pixel_z": np.array([0, 1, 1], np.int32),
            "pixel_value": np.array([9, 8, 7]),
        }  # fmt: skip


def header(store: Store) -> Detector:
    return store.run_experiment("painted").detector


def test_rows_and_pixels_of_spots(store: Store) -> None:
    new = recut(header(store), CUT)
    moved = with_moves(new, np.ones(2, bool), MOVE)
    before = store.columns("find_spots")
    rows = rows_on(before, header(store), moved)
    assert rows["panel"].tolist() == [0, 1]
    np.testing.assert_allclose(rows["y"], [6.5, 50.5])
    assert rows["bbox"][1].tolist() == [100, 101, 50, 52, 1, 2]
    assert rows_on(before, header(store), header(store)) is before
    spots = WithPixels.of(store, "find_spots")
    pixels = pixels_on(spots, rows, moved, "painted")
    assert pixels["pixel_y"].tolist() == [6, 50, 51]
    assert pixels_on(spots, before, header(store), "painted")["pixel_y"].tolist() == [6, 200, 201]


def test_tables_without_panels(store: Store) -> None:
    table = {"hkl": np.zeros((2, 3), np.int32)}
    assert rows_on(table, header(store), recut(header(store), CUT)) is table
    assert rows_on({"panel": np.zeros(1)}, Detector(panels=()), header(store))["panel"].size == 1


def test_masks_are_read_when_asked_for(store: Store) -> None:
    masks = StoredMasks(str(store.path), store.runs)
    assert list(masks) == ["painted"]
    assert len(masks) == 1
    assert not masks["painted"][130:150].any()
    assert masks["painted"][:130].all()
    with pytest.raises(KeyError):
        masks["other"]


def test_panels_are_placed_as_in_a_re_cut_reference(store: Store, tmp_path: Path) -> None:
    moved = with_moves(recut(header(store), CUT), np.ones(2, bool), MOVE)
    found = placed(header(store), moved, "reference")
    assert [p.offset for p in found.panels] == [(0, 0), (0, 150)]
    assert [p.origin for p in found.panels] == [p.origin for p in moved.panels]
    # and the other way round, of frames that are cut already
    fine = recut(header(store), CUT)
    whole = replace(header(store), panels=tuple(
        p.moved(np.eye(3), (1.0, 2.0, 3.0)) for p in header(store).panels
    ))  # fmt: skip
    back = placed(fine, whole, "reference")
    np.testing.assert_allclose(
        [p.origin for p in back.panels], [np.add(p.origin, (1.0, 2.0, 3.0)) for p in fine.panels]
    )
    with pytest.raises(InputError, match="has no panel of"):
        placed(fine, replace(moved, panels=moved.panels[:1]), "reference")

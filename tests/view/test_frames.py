"""Tiles of the server against the frames of the store."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.viewer import Viewing

import dxdask
from dxdask.masking import MaskParameters, panel_masks
from dxdask.storage.store.store import Store
from dxdask.view.binning import maxima
from dxdask.view.frames import Frames, Shown

RUN = "tiny_2"


@pytest.fixture(scope="module")
def frames(processed: Store) -> np.ndarray:
    return processed.frame_reader(RUN).read(0, 14)


@pytest.mark.parametrize("image", [1, 7, 14])
def test_a_tile_has_the_counts_of_the_frame(
    viewer: Viewing, frames: np.ndarray, image: int
) -> None:
    got = viewer.array("tile", run=RUN, image=image, level=0, x=0, y=0)
    assert got.dtype == frames.dtype
    np.testing.assert_array_equal(got, frames[image - 1][:512, :512])


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_level_has_the_maxima(viewer: Viewing, frames: np.ndarray, level: int) -> None:
    got = viewer.array("tile", run=RUN, image=2, level=level, x=0, y=0)
    np.testing.assert_array_equal(got, maxima(frames[1], 1 << level))


def test_images_are_put_together(viewer: Viewing, frames: np.ndarray) -> None:
    part = frames[2:6]
    mark = np.iinfo(part.dtype).max
    counts = np.where(part == mark, 0, part).astype(np.int64)
    there = (part != mark).sum(axis=0)
    asked = {"run": RUN, "image": 3, "n": 4, "level": 0, "x": 0, "y": 0}
    total = viewer.array("tile", stack="sum", **asked)
    np.testing.assert_array_equal(total[there > 0], counts.sum(axis=0)[there > 0])
    assert (total[there == 0] == 2**32 - 1).all()
    np.testing.assert_array_equal(
        viewer.array("tile", stack="max", **asked)[there > 0], counts.max(axis=0)[there > 0]
    )
    mean = viewer.array("tile", stack="mean", **asked)
    np.testing.assert_allclose(
        mean[there > 0], (counts.sum(axis=0) / np.maximum(there, 1))[there > 0], rtol=1e-6
    )


def test_images_beyond_the_last_are_not_added(viewer: Viewing, frames: np.ndarray) -> None:
    got = viewer.array("tile", run=RUN, image=14, n=5, stack="max", level=0, x=0, y=0)
    np.testing.assert_array_equal(got, frames[13][:512, :512])


def test_runs_and_geometry(viewer: Viewing, processed: Store) -> None:
    summary = viewer.ask("summary").json
    assert [r["name"] for r in summary["runs"]] == list(processed.runs)
    assert summary["runs"][0]["images"] == 14
    models = viewer.ask("models", run=RUN).json
    detector = processed.experiments("refine")[1].detector
    assert [p["size"] for p in models["panels"]] == [list(p.image_size) for p in detector.panels]
    recorded = processed.run_experiment(RUN).detector
    cut = models["recorded"] or models  # None: refinement has not cut the panels
    assert (models["recorded"] is None) == (len(detector) == len(recorded))
    assert [p["offset"] for p in cut["panels"]] == [list(p.offset) for p in recorded.panels]
    panel, x, y = models["beam"]
    mm = detector[panel].pixel_to_mm([[x, y]])
    lab = detector[panel].lab_coordinates(mm)[0]
    s0 = processed.experiments("refine")[1].beam.s0
    np.testing.assert_allclose(np.cross(lab / np.linalg.norm(lab), s0), 0.0, atol=1e-6)


def test_panels_in_the_laboratory_keep_their_distances(viewer: Viewing, processed: Store) -> None:
    """Panels in one plane are at the same distances from each other as their pixels in space."""
    models = viewer.ask("models", run="tiny_1").json
    detector = processed.run_experiment("tiny_1").detector
    place, lab = [], []
    for i, panel in enumerate(detector.panels):
        a, b, c, d, e, f = models["laboratory"][i]
        for x, y in ((3.0, 5.0), (100.0, 70.0)):
            place.append([a * x + c * y + e, b * x + d * y + f])
            lab.append(panel.lab_coordinates(np.array([x, y]) * panel.pixel_size))
    size = detector[0].pixel_size[0]
    away = np.linalg.norm(np.array(lab) - lab[0], axis=1) / size
    np.testing.assert_allclose(
        np.linalg.norm(np.array(place) - place[0], axis=1), away, rtol=1e-3, atol=1e-6
    )


def test_models_and_masks_of_runs_are_held(processed: Store) -> None:
    held = Frames(processed.path, processed.branch, 1e6)
    assert held.experiment(RUN) is held.experiment(RUN)
    assert held.experiment(RUN) == processed.run_experiment(RUN)
    assert held.experiment("tiny_3") == processed.run_experiment("tiny_3")
    refined = tuple(e for e in processed.experiments("refine") if e.run == RUN)
    assert held.models(RUN) is held.models(RUN)
    assert held.models(RUN) == refined
    assert held.masks(RUN) is held.masks(RUN)
    own = processed.run_experiment(RUN)
    masks = panel_masks(own.detector, own.beam, processed.mask(RUN), MaskParameters())
    for got, expected in zip(held.masks(RUN), masks, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_mask_that_is_applied_later_is_used(processed: Store, tmp_path: Path) -> None:
    path = tmp_path / "copy.zarr"
    shutil.copytree(processed.path, path)
    held = Frames(path, "main", 1e6)
    before = held.masks(RUN)[0]
    store = dxdask.generate_mask(dxdask.open(path), border=9)
    dxdask.apply_mask(store, mask="generate_mask")
    after = held.masks(RUN)[0]
    assert before[5, 20:90].any()
    assert not after[5].any()
    np.testing.assert_array_equal(after[9:-9, 9:-9], before[9:-9, 9:-9])


def test_threads_that_want_an_image_read_it_once(
    processed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, read = Frames(processed.path, processed.branch, 1e8), []
    whole = Frames._read

    def counted(self: Frames, store: Store, shown: Shown) -> np.ndarray:
        read.append(shown)
        return whole(self, store, shown)

    monkeypatch.setattr(Frames, "_read", counted)
    with ThreadPoolExecutor(4) as threads:
        levels = list(threads.map(lambda _: held.level(Shown(RUN, 3), 1), range(8)))
    assert len(read) == 1
    assert all(level is levels[0] for level in levels)

"""Masks by reason, and regions kept as a mask that spot finding uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.viewer import Viewing, viewing

import dxdask
from dxdask.geometry.resolution import resolution_at
from dxdask.storage.store.store import Store
from dxdask.view.masks import Reason


@pytest.fixture
def store(raw: list[Path], tmp_path: Path) -> Store:
    return dxdask.import_(raw[:2], tmp_path / "masked.zarr")


@pytest.fixture
def viewer(store: Store) -> Iterator[Viewing]:
    with viewing(store.path) as found:
        yield found


def post(viewer: Viewing, regions: object, **more: object) -> tuple[int, dict]:
    body = json.dumps({"regions": regions} | more).encode()
    reply = viewer.ask("mask", method="POST", body=body)
    return reply.status, reply.json


def test_drawn_regions_are_a_mask_that_spot_finding_uses(viewer: Viewing, store: Store) -> None:
    run = store.runs[0]
    before = viewer.array("mask", run=run)
    np.testing.assert_array_equal(before & int(Reason.IMPORTED) == 0, store.imported_mask(run))
    dxdask.find_spots(store)
    old = store.columns("find_spots", run=run)
    regions = [
        {"panel": 0, "rectangle": [100, 160, 40, 100]},
        {"panel": 1, "circle": [128, 60, 20]},
        {"panel": 0, "polygon": [0, 0, 30, 0, 0, 30]},
        {"panel": 0, "pixel": [5, 200]},
    ]
    status, kept = post(viewer, regions)
    assert status == 200
    assert kept["regions"] == regions
    assert viewer.ask("mask").json["regions"] == regions
    good = store.mask(run)
    panel = store.run_experiment(run).detector[0]
    assert not good[panel.slices][40:100, 100:160].any()
    assert not good[panel.slices][5, 200]
    after = viewer.array("mask", run=run)
    assert (after[panel.slices][40:100, 100:160] & int(Reason.APPLIED)).all()
    dxdask.find_spots(store)
    spots = store.columns("find_spots", run=run)
    inside = [
        (t["panel"] == 0) & (t["x"] > 101) & (t["x"] < 159) & (t["y"] > 41) & (t["y"] < 99)
        for t in (old, spots)
    ]
    assert inside[0].any()
    assert not inside[1].any()


def test_other_masks_stay(viewer: Viewing, store: Store) -> None:
    run = store.runs[0]
    dxdask.apply_mask(dxdask.generate_mask(store, border=2), mask="generate_mask")
    assert post(viewer, [{"panel": 0, "rectangle": [50, 60, 50, 60]}])[0] == 200
    panel = store.run_experiment(run).detector[0]
    good = store.mask(run)[panel.slices]
    assert not good[:2].any()
    assert not good[50:60, 50:60].any()
    assert post(viewer, [])[0] == 200
    good = store.mask(run)[panel.slices]
    assert not good[:2].any()
    assert good[50:60, 50:60].any()


def test_a_range_of_resolution_is_masked(viewer: Viewing, store: Store) -> None:
    run = store.runs[0]
    region = {"resolution": [3.0, 2.5]}
    status, kept = post(viewer, [region, {"panel": 0, "pixel": [5, 200]}])
    assert status == 200
    assert kept["regions"] == [{"panel": 0, "pixel": [5, 200]}, region]
    experiment = store.run_experiment(run)
    good, before = store.mask(run), store.imported_mask(run)
    for panel in experiment.detector.panels:
        y, x = np.mgrid[: panel.image_size[1], : panel.image_size[0]]
        middle = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)
        d = resolution_at(panel, middle, experiment.beam.s0).reshape(y.shape)
        inside, outside = (d > 2.52) & (d < 2.98), (d < 2.48) | (d > 3.02)
        assert inside.any()
        assert not good[panel.slices][inside].any()
        away = outside & ((x != 200) | (y != 5))
        np.testing.assert_array_equal(good[panel.slices][away], before[panel.slices][away])
    assert post(viewer, [])[1]["regions"] == []
    np.testing.assert_array_equal(store.mask(run), before)


@pytest.mark.parametrize(
    "regions",
    [
        None,
        {},
        [1],
        [{"panel": 9, "pixel": [1, 1]}],
        [{"panel": 0, "rectangle": [5, 1, 0, 2]}],
        [{"panel": 0, "rectangle": [0, 99999, 0, 2]}],
        [{"panel": 0, "output": "x"}],
        [{}],
        [{"resolution": [3.0, 3.0]}],
        [{"resolution": [-1.0, 3.0]}],
        [{"resolution": 3.0}],
        [{"panel": 0, "resolution": [3.0, 2.0]}],
    ],
)
def test_regions_that_cannot_be(viewer: Viewing, store: Store, regions: object) -> None:
    status, found = post(viewer, regions)
    assert status == 400
    assert "\n" not in found["error"]
    assert not store.has_step("apply_mask")


def test_no_json_and_a_wrong_token(viewer: Viewing, store: Store) -> None:
    assert viewer.ask("mask", method="POST", body=b"x").status == 400
    body = b'{"regions": []}'
    assert viewer.ask("mask", method="POST", body=body, token="x").status == 403
    assert viewer.ask("mask", method="PUT", body=body).status == 405
    assert not store.has_step("generate_mask")


def test_a_store_that_another_program_writes(viewer: Viewing, store: Store) -> None:
    with store.writing():
        status, found = post(viewer, [{"panel": 0, "pixel": [1, 1]}])
    assert status == 409
    assert found["error"]
    assert viewer.ask("summary").status == 200

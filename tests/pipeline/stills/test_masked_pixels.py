"""Bad pixels of stills: found by a sample of the events, masked in every step, as a mask would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.still_runs import (
    SHAPE,
    STEPS,
    assert_same_tables,
    events,
    ids,
    stills,
    write_run,
)

import dxdask
from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.pixels import suspicious_pixels
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit

EVENTS = events(".x.xx.xx" + "." * 16)
DEAD = [(20, 40), (21, 40), (SHAPE[0] - 30, 90)]
OFF: dict[str, Any] = {"spotfinder.mask_bad_pixels": False}


def under_a_spot() -> tuple[int, int]:
    """Return the pixel beside the brightest one of a hit: of a strong reflection."""
    slow, fast = np.unravel_index(int(EVENTS.photons[3].argmax()), SHAPE)
    return int(slow), int(fast) + 1


HOT = under_a_spot()


def with_bad(photons: NDArray[np.int32]) -> NDArray[np.int32]:
    frames = photons.copy()
    frames[:, HOT[0], HOT[1]] += np.random.default_rng(5).poisson(900, len(frames)).astype(np.int32)
    for slow, fast in DEAD:
        frames[:, slow, fast] = 0
    return frames


def spot_pixels(store: Store) -> set[tuple[int, int]]:
    arrays, rows = store.arrays("find_spots"), store.columns("find_spots")
    offsets = [p.offset[1] for p in store.experiments("find_spots")[0].detector.panels]
    panel = np.repeat(rows["panel"], np.diff(arrays["pixel_offsets"]))
    slow = arrays["pixel_y"] + np.array(offsets)[panel]
    return set(zip(slow.tolist(), arrays["pixel_x"].tolist(), strict=True))


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("bad") / "run_a.h5", with_bad(EVENTS.photons))


@pytest.fixture(scope="module")
def done(run_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The run processed; not to be written to."""
    return stills(run_file, tmp_path_factory.mktemp("done") / "a.zarr")


@pytest.fixture(scope="module")
def kept(run_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The run processed with its bad pixels; not to be written to."""
    return stills(run_file, tmp_path_factory.mktemp("kept") / "a.zarr", **OFF)


@pytest.fixture(scope="module")
def masked(run_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The run processed with these pixels masked by a file."""
    folder = tmp_path_factory.mktemp("masked")
    good = np.ones(SHAPE, np.bool_)
    for place in (HOT, *DEAD):
        good[place] = False
    np.save(folder / "mask.npy", good)
    store = stills(run_file, folder / "a.zarr", **{**OFF, "dispatch.index": False})
    dxdask.apply_mask(store, mask=(str(folder / "mask.npy"),), show=dxdask.quiet)
    return stills(store.path, None, **OFF)


def test_those_put_in_are_found_and_said(done: Store) -> None:
    mask = done.read_step("find_spots", run="run_a").arrays["bad_pixel_mask"].reshape(SHAPE)
    assert sorted(map(tuple, np.argwhere(~mask).tolist())) == sorted([HOT, *DEAD])
    table = done.table("find_spots", "bad_pixels")
    assert table["reason"].value_counts().to_dict() == {"dead": 3, "hot": 1}
    lines = [line for line in done.messages("find_spots") if "bad pixels" in line]
    assert lines == [
        "Masked 4 bad pixels (1 hot, 3 dead) by 24 images; spotfinder.mask_bad_pixels=false keeps "
        "them"
    ]
    (said,) = suspicious_pixels(StepTables(done))
    assert "3 dead, 1 hot" in said.text
    assert "excluded" in said.action


def test_results_are_those_of_a_mask(done: Store, masked: Store, kept: Store) -> None:
    assert_same_tables(done, masked, ("hits", "index", "integrate", "merge"))
    for name, values in done.columns("find_spots").items():
        np.testing.assert_array_equal(values, masked.columns("find_spots")[name], err_msg=name)
    assert HOT not in spot_pixels(done)
    assert HOT in spot_pixels(kept)
    assert not [t for t in kept.read_step("find_spots").tables if t.name == "bad_pixels"]


def test_merged_intensities_are_near_those_without(
    done: Store, kept: Store, tmp_path: Path
) -> None:
    clean = stills(write_run(tmp_path / "run_a.h5", EVENTS.photons), tmp_path / "a.zarr")

    def worst(store: Store) -> float:
        """Return the largest difference in merged intensity, in units of the mean."""
        a, b = (s.columns("merge") for s in (clean, store))
        of = {tuple(h): i for h, i in zip(b["hkl"].tolist(), b["intensity"], strict=True)}
        pairs = [(i, of[tuple(h)]) for h, i in zip(a["hkl"].tolist(), a["intensity"], strict=True)
                 if tuple(h) in of]  # fmt: skip
        assert len(pairs) > 0.98 * len(a["hkl"])
        x, y = np.array(pairs).T
        return float(np.abs(x - y).max() / np.abs(x).mean())

    assert worst(done) < 0.5 * worst(kept)


def test_nothing_is_computed_again_and_each_step_alone_uses_them(
    run_file: Path, done: Store, tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    before = ids(stills(run_file, path))
    assert ids(stills(run_file, path)) == before
    assert ids(stills(path, None)) == before
    for change in (
        {"integration.prediction.d_min": 5.0},
        {"hits.min_peaks": 43},
        {"indexing.known_symmetry.unit_cell": (79.3, 79.3, 38.05, 90, 90, 90)},
    ):
        now = ids(stills(path, None, **change))
        assert now["find_spots"] == before["find_spots"]
        fresh = stills(run_file, tmp_path / f"{next(iter(change))}.zarr", **change)
        assert_same_tables(Store.open(path), fresh)
    off = stills(path, None, **OFF)
    assert all(ids(off)[step] != before[step] for step in STEPS)
    assert_same_tables(stills(path, None), done)


def test_find_spots_alone_and_an_import_find_the_same(
    run_file: Path, done: Store, tmp_path: Path
) -> None:
    copied = stills(run_file, tmp_path / "copied.zarr", link=False)
    assert_same_tables(copied, done)
    store = dxdask.import_([run_file], tmp_path / "alone.zarr")
    threshold = {"algorithm": "dispersion", "dispersion": {"global_threshold": 4}}
    dxdask.find_spots(store, threshold=threshold, filter={"min_spot_size": 2})
    assert_same_tables(store, done, ("find_spots",))
    before = store.step_attributes("find_spots")["id"]
    assert ids(stills(store.path, None))["find_spots"] == before
    assert_same_tables(store, done)


def test_a_sample_of_the_events_is_enough(run_file: Path, done: Store, tmp_path: Path) -> None:
    store = stills(run_file, tmp_path / "a.zarr", **{"spotfinder.bad_pixel_images": 20})
    assert " by 20 images; " in "\n".join(store.messages("find_spots"))
    assert_same_tables(store, done, ("hits", "index", "integrate", "merge"))


def test_too_few_events_have_none(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run_a.h5", with_bad(EVENTS.photons)[1:4])
    store = stills(path, tmp_path / "a.zarr")
    assert "3 images are too few to find bad pixels (4 needed): none masked" in "\n".join(
        store.messages("find_spots")
    )
    assert "bad_pixel_mask" not in store.read_step("find_spots").arrays


def test_peaks_are_not_found_on_them(run_file: Path, tmp_path: Path) -> None:
    peaks = {"hits.method": "peakfinder8", "dispatch.index": False}
    store = stills(run_file, tmp_path / "a.zarr", **peaks)
    assert store.table("find_spots", "bad_pixels")["reason"].tolist().count("hot") == 1
    plain = stills(run_file, tmp_path / "off.zarr", **peaks, **OFF)

    def near(found: Store) -> int:
        rows = found.columns("find_spots")
        offsets = [p.offset[1] for p in found.experiments("find_spots")[0].detector.panels]
        slow = rows["y"] + np.array(offsets)[rows["panel"]]
        return int((np.hypot(slow - HOT[0] - 0.5, rows["x"] - HOT[1] - 0.5) < 1.0).sum())

    assert near(store) <= 1  # the reflection beside it
    assert near(plain) > near(store) or near(plain) == 0

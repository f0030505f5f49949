"""Spots, predictions, rings and points against the store's tables and models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewer import Viewing

from dxdask.columns import Flag, has_flag
from dxdask.fate import SpotFate
from dxdask.geometry.resolution import resolution_at
from dxdask.storage.store.store import Store
from dxdask.view.overlays import Kind, _places

RUN = "tiny_3"
IMAGE = 5


@pytest.fixture(scope="module")
def marks(viewer: Viewing) -> dict[str, np.ndarray]:
    return viewer.arrays("overlay", run=RUN, image=IMAGE)


def test_spots_are_those_whose_box_touches_the_image(
    processed: Store, marks: dict[str, np.ndarray]
) -> None:
    table = processed.columns("find_spots", run=RUN)
    box = table["bbox"]
    here = (box[:, 4] <= IMAGE - 1) & (box[:, 5] > IMAGE - 1)
    assert here.sum() > 20
    np.testing.assert_array_equal(marks["box"], box[here, :4])
    np.testing.assert_allclose(marks["centre"][:, 0], table["x"][here], rtol=1e-6)
    np.testing.assert_array_equal(marks["panel"], table["panel"][here])


def test_fates_and_hkl_are_those_of_refinement(
    processed: Store, marks: dict[str, np.ndarray]
) -> None:
    table = processed.columns("refine", run=RUN)
    box = table["bbox"]
    here = np.flatnonzero((box[:, 4] <= IMAGE - 1) & (box[:, 5] > IMAGE - 1))
    indexed = has_flag(table, Flag.INDEXED)[here]
    np.testing.assert_array_equal(marks["kind"] != Kind.UNINDEXED, indexed)
    outlier = has_flag(table, Flag.CENTROID_OUTLIER) | (table["fate"] == SpotFate.OUTLIER)
    np.testing.assert_array_equal(marks["kind"] == Kind.OUTLIER, outlier[here] & indexed)
    np.testing.assert_array_equal(marks["hkl"][indexed], table["hkl"][here][indexed])
    assert (marks["lattice"][indexed] == 0).all()
    assert (marks["lattice"][~indexed] == -1).all()
    assert (marks["kind"] == Kind.INTEGRATED).sum() > 10


def test_strong_pixels_are_in_the_box_of_their_spot(
    processed: Store, marks: dict[str, np.ndarray]
) -> None:
    box = marks["box"][marks["pixel_spot"]]
    x, y = marks["pixel_xy"].T
    assert ((x >= box[:, 0]) & (x < box[:, 1]) & (y >= box[:, 2]) & (y < box[:, 3])).all()
    arrays = processed.arrays("find_spots", run=RUN)
    assert len(x) == (arrays["pixel_z"] == IMAGE - 1).sum()


def test_the_peak_is_the_largest_pixel(processed: Store, marks: dict[str, np.ndarray]) -> None:
    arrays = processed.arrays("find_spots", run=RUN)
    box = processed.columns("find_spots", ["bbox"], run=RUN)["bbox"]
    here = np.flatnonzero((box[:, 4] <= IMAGE - 1) & (box[:, 5] > IMAGE - 1))
    offsets = arrays["pixel_offsets"]
    for i, row in enumerate(here.tolist()):
        part = slice(offsets[row], offsets[row + 1])
        value = arrays["pixel_value"][part]
        x, y = arrays["pixel_x"][part] + 0.5, arrays["pixel_y"][part] + 0.5
        best = value == value.max()
        assert any((x[best] == marks["peak"][i, 0]) & (y[best] == marks["peak"][i, 1]))


def test_predictions_are_those_of_integration(
    processed: Store, marks: dict[str, np.ndarray]
) -> None:
    table = processed.columns("integrate", run=RUN)
    here = (table["bbox"][:, 4] <= IMAGE - 1) & (table["bbox"][:, 5] > IMAGE - 1)
    np.testing.assert_array_equal(marks["p_hkl"], table["hkl"][here])
    np.testing.assert_allclose(marks["p_xy"][:, 0], table["x_cal"][here], rtol=1e-6)
    done = has_flag(table, Flag.INTEGRATED)[here]
    np.testing.assert_array_equal(marks["p_done"] == 1, done)


def test_points_of_a_ring_have_its_resolution(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("rings", run=RUN, d="4,3")
    experiment = processed.experiments("refine", run=RUN)[0]
    start = 0
    assert len(got["ring_ends"]) > 1
    for k, end in enumerate(got["ring_ends"]):
        panel = experiment.detector[int(got["ring_panel"][k])]
        d = resolution_at(panel, got["ring_xy"][start:end], experiment.beam.s0)
        np.testing.assert_allclose(d, got["d"][got["ring_index"][k]], rtol=1e-5)
        start = end
    assert viewer.arrays("rings", run=RUN)["d"][0] > viewer.arrays("rings", run=RUN)["d"][-1]
    assert 3.6 < max(viewer.arrays("rings", run=RUN, d="ice")["d"]) < 4.0


@pytest.mark.parametrize("d", ["x", "-1", "0", "nan"])
def test_rings_that_cannot_be(viewer: Viewing, d: str) -> None:
    assert viewer.ask("rings", run=RUN, d=d).status == 400


def test_a_point_at_a_prediction_has_its_hkl(viewer: Viewing, processed: Store) -> None:
    table = processed.columns("refine", run=RUN)
    good = np.flatnonzero(has_flag(table, Flag.INDEXED) & (np.abs(table["z_cal"] % 1 - 0.5) < 0.05))
    assert len(good) > 3
    for row in good[:5].tolist():
        x, y = table["x_cal"][row], table["y_cal"][row]
        image = int(table["z_cal"][row]) + 1
        got = viewer.ask(
            "point", run=RUN, image=image, panel=int(table["panel"][row]), x=x, y=y
        ).json
        np.testing.assert_allclose(got["hkl"][0], table["hkl"][row], atol=0.03)
        crystal = processed.experiments("refine", run=RUN)[0].crystal
        assert crystal is not None
        d = 1 / np.linalg.norm(crystal.a @ table["hkl"][row])
        assert got["d"] == pytest.approx(d, rel=2e-3)


def test_a_point_has_the_count_of_its_pixel(viewer: Viewing, processed: Store) -> None:
    frame = processed.frame_reader(RUN).read(3, 4)[0]
    panel = processed.run_experiment(RUN).detector[1]
    got = viewer.ask("point", run=RUN, image=4, panel=1, x=20.7, y=11.2).json
    assert got["value"] == frame[11 + panel.offset[1], 20 + panel.offset[0]]
    assert viewer.ask("point", run=RUN, image=4, panel=9, x=1, y=1).status == 400


def test_numbers_along_the_scan(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("scan", run=RUN)
    table = processed.columns("refine", run=RUN)
    image = np.floor(table["z"]).astype(int)
    np.testing.assert_array_equal(got["spots"], np.bincount(image, minlength=14))
    np.testing.assert_array_equal(
        got["indexed"], np.bincount(image[has_flag(table, Flag.INDEXED)], minlength=14)
    )


def test_a_store_without_results_has_no_marks(
    viewer: Viewing, raw: list, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from support.viewer import viewing

    import dxdask

    store = dxdask.import_(raw[:1], tmp_path_factory.mktemp("bare") / "bare.zarr")
    with viewing(store.path) as bare:
        marks = bare.arrays("overlay", run=store.runs[0], image=1)
        assert len(marks["kind"]) == len(marks["p_panel"]) == 0
        assert bare.arrays("scan", run=store.runs[0])["spots"].sum() == 0
        assert bare.ask("point", run=store.runs[0], image=1, panel=0, x=1, y=1).json["hkl"] == []


def test_stills(stills_store: Store) -> None:
    from support.viewer import viewing

    with viewing(stills_store.path) as viewer:
        run = stills_store.runs[0]
        n = [len(viewer.arrays("overlay", run=run, image=i)["kind"]) for i in range(1, 6)]
        assert sum(n) > 0
        counts = viewer.arrays("scan", run=run)["spots"]
        assert counts[:5].sum() >= max(n)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12),
)
def test_places_are_those_of_the_last_equal_row(
    keys: list[tuple[int, int]], among: list[tuple[int, int]]
) -> None:
    expected = {row: i for i, row in enumerate(among)}
    got = _places(np.array(keys).reshape(-1, 2), np.array(among).reshape(-1, 2))
    assert got.tolist() == [expected.get(row, -1) for row in keys]

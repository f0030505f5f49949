"""Re-cut detectors: pixels stay where they are, and tables follow them there and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refinement_cases import some_detector

from dxdask.columns import check
from dxdask.errors import InputError, SchemaError
from dxdask.models import Detector, Panel
from dxdask.models.detector import Group
from dxdask.models.vectors import rotation_matrix
from dxdask.refinement.modules.recut import cut_as, recut
from dxdask.refinement.modules.recut_rows import recut_pixels, recut_reflections

CUT = (((0, 0, 500, 300), (510, 0, 1000, 300), (0, 320, 1000, 500)), ((0, 0, 1000, 500),))


def two_panels() -> Detector:
    detector = some_detector(2)
    first = replace(detector[0], mask=((490, 0, 520, 500), (900, 400, 950, 450)))
    return replace(detector, panels=(first, detector[1]))


def test_pixels_stay_where_they_are() -> None:
    old = two_panels()
    new = recut(old, CUT)
    assert [p.offset for p in new.panels] == [(0, 0), (510, 0), (0, 320), (0, 512)]
    assert [p.image_size for p in new.panels] == [(500, 300), (490, 300), (1000, 180), (1000, 500)]
    assert [p.name for p in new.panels] == ["p0_0", "p0_1", "p0_2", "p1"]
    assert [p.mask for p in new.panels] == [
        ((490, 0, 500, 300),), ((0, 0, 10, 300),),
        ((490, 0, 520, 180), (900, 80, 950, 130)), (),
    ]  # fmt: skip
    rng = np.random.default_rng(1)
    for k, (x0, y0, *_) in enumerate(CUT[0]):
        xy = rng.uniform(0, new[k].image_size, (20, 2))
        mm, before = new[k].pixel_to_mm(xy), old[0].pixel_to_mm(xy + (x0, y0))
        # parallax too is that of the place in the laboratory
        np.testing.assert_allclose(
            new[k].lab_coordinates(mm), old[0].lab_coordinates(before), atol=1e-9
        )
    assert new[3] == old[1]


def test_modules_of_a_panel_are_a_group() -> None:
    root = recut(two_panels(), CUT).root
    assert root.panels == (3,)
    assert [(g.name, g.panels, g.origin) for g in root.groups] == [
        ("p0", (0, 1, 2), two_panels()[0].origin)
    ]
    both = replace(two_panels(), root=Group(groups=(Group(name="quadrant", panels=(1, 0)),)))
    (quadrant,) = recut(both, CUT).root.groups
    assert quadrant.panels == (3,)
    assert quadrant.groups[0].panels == (0, 1, 2)
    assert recut(both, CUT).root.all_panels() == (3, 0, 1, 2)


def test_one_module_changes_nothing() -> None:
    detector = two_panels()
    whole = [((0, 0, *p.image_size),) for p in detector.panels]
    assert recut(detector, whole) == detector
    assert cut_as(detector, detector) is detector


def test_cut_as_another_detector() -> None:
    old = two_panels()
    new = recut(old, CUT)
    moved = replace(
        new, panels=tuple(p.moved(rotation_matrix((0, 0, 1), 0.01), (1, 2, 3)) for p in new.panels)
    )
    there = cut_as(old, moved)
    assert [p.origin for p in there.panels] == [p.origin for p in new.panels]
    assert [p.offset for p in there.panels] == [p.offset for p in moved.panels]
    assert cut_as(new, old) is new


def spots(rng: np.random.Generator, detector: Detector, n: int) -> dict[str, np.ndarray]:
    panel = rng.integers(0, len(detector), n).astype(np.int32)
    size = np.array([p.image_size for p in detector.panels])[panel]
    xy = rng.uniform(0, 1, (n, 2)) * size
    low = np.floor(xy).astype(np.int32) - 2
    table = {"panel": panel, "x": xy[:, 0], "y": xy[:, 1], "x_cal": xy[:, 0] + 0.3}
    table |= {"y_cal": xy[:, 1] - 0.2, "experiment": np.zeros(n, np.int32)}
    mm = np.array([detector[k].pixel_to_mm(p) for k, p in zip(panel, xy, strict=True)])
    table |= {"x_mm": mm[:, 0], "y_mm": mm[:, 1], "x_cal_mm": mm[:, 0], "y_cal_mm": mm[:, 1]}
    box = np.column_stack([low[:, 0], low[:, 0] + 5, low[:, 1], low[:, 1] + 5])
    z = np.tile(np.array([3, 6], np.int32), (n, 1))
    return table | {"bbox": np.column_stack([box, z]).astype(np.int32)}


def test_tables_follow_and_come_back() -> None:
    rng, old = np.random.default_rng(4), two_panels()
    new, table = recut(old, CUT), spots(rng, old, 400)
    there = check(recut_reflections(table, old, new))
    frame = {
        k: np.array([p.offset for p in d.panels])[t["panel"]]
        for k, d, t in (("old", old, table), ("new", new, there))
    }
    for i, name in enumerate("xy"):
        at = [t[name] + frame[k][:, i] for k, t in (("old", table), ("new", there))]
        np.testing.assert_allclose(at[0], at[1], atol=1e-9)
    for k, panel in enumerate(new.panels):
        mine = there["panel"] == k
        xy = np.column_stack([there["x"], there["y"]])[mine]
        mm = np.column_stack([there["x_mm"], there["y_mm"]])[mine]
        np.testing.assert_allclose(panel.pixel_to_mm(xy), mm, atol=1e-9)
        if k != 3:  # those in gaps are on the nearest
            inside = ((xy >= 0) & (xy <= panel.image_size)).all(axis=1)
            assert inside.mean() > 0.9
    np.testing.assert_array_equal(there["bbox"][:, 0], np.floor(there["x"] + 1e-9) - 2)
    np.testing.assert_array_equal(there["bbox"][:, 4:], table["bbox"][:, 4:])
    back = recut_reflections(there, new, old)
    for name in table:
        np.testing.assert_allclose(back[name], table[name], atol=1e-9, err_msg=name)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_rows_do_not_depend_on_each_other(seed: int) -> None:
    rng, old = np.random.default_rng(seed), two_panels()
    new, table = recut(old, CUT), spots(rng, old, 50)
    order = rng.permutation(50)
    one = recut_reflections({k: v[order] for k, v in table.items()}, old, new)
    other = recut_reflections(table, old, new)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name][order])


def test_unobserved_and_gaps() -> None:
    old = two_panels()
    new = recut(old, CUT)
    table = {
        "panel": np.zeros(5, np.int32),
        "x": np.array([504.0, 506.0, np.nan, 499.999, 510.0]),
        "y": np.array([10.0, 10.0, np.nan, 309.0, 100.0]),
        "x_cal": np.array([0.0, 0.0, 700.0, 0.0, 0.0]),
        "y_cal": np.array([0.0, 0.0, 20.0, 0.0, 0.0]),
    }
    found = recut_reflections(table, old, new)
    assert found["panel"].tolist() == [0, 1, 1, 0, 1]
    np.testing.assert_allclose(found["x"], [504, -4, np.nan, 499.999, 0])
    np.testing.assert_allclose(found["x_cal"], [0, -510, 190, 0, -510])


def test_pixels_of_spots_follow() -> None:
    old = two_panels()
    new = recut(old, CUT)
    table = {
        "panel": np.array([0, 0, 1], np.int32),
        "x": np.array([3.5, 600.0, 7.0]),
        "y": np.array([2.5, 330.0, 8.0]),
    }
    there = recut_reflections(table, old, new)
    arrays = {
        "pixel_offsets": np.array([0, 2, 3, 5]),
        "pixel_x": np.array([3, 4, 600, 6, 7], np.int32),
        "pixel_y": np.array([2, 2, 330, 8, 8], np.int32),
        "pixel_value": np.arange(5),
    }
    found = recut_pixels(arrays, table["panel"], there["panel"], old, new)
    assert found["pixel_y"].tolist() == [2, 2, 10, 8, 8]
    assert found["pixel_x"].tolist() == [3, 4, 600, 6, 7]
    assert found["pixel_x"].dtype == np.int32
    back = recut_pixels(found, there["panel"], table["panel"], new, old)
    np.testing.assert_array_equal(back["pixel_y"], arrays["pixel_y"])
    with pytest.raises(InputError, match=r"3 spots do not match 1 reflections"):
        recut_pixels(arrays, table["panel"][:1], there["panel"][:1], old, new)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (CUT[:1], "modules of 1 panels"),
        ((((0, 0, 600, 500), (500, 0, 1000, 500)), CUT[1]), "do not overlap"),
        ((((0, 0, 1001, 500),), CUT[1]), "cannot be cut"),
        ((((5, 5, 5, 9),), CUT[1]), "cannot be cut"),
        (((), CUT[1]), "cannot be cut"),
    ],
)
def test_rectangles_that_are_none(cut, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recut(two_panels(), cut)


def test_detectors_that_do_not_know_the_frame() -> None:
    panels = tuple(replace(p, offset=(0, 0)) for p in two_panels().panels)
    with pytest.raises(InputError, match=r"'p0' and 'p1' overlap in the stored frame"):
        recut(Detector(panels=panels), CUT)


def test_tables_that_cannot_be_moved() -> None:
    old = two_panels()
    new = recut(old, CUT)
    with pytest.raises(SchemaError, match="lacks panel"):
        recut_reflections({"x": np.zeros(1)}, old, new)
    with pytest.raises(SchemaError, match="lacks x and y"):
        recut_reflections({"panel": np.zeros(1, np.int32)}, old, new)
    other = Detector(panels=(Panel(image_size=(10, 10), offset=(5000, 0)),))
    table = {"panel": np.zeros(1, np.int32), "x": np.zeros(1), "y": np.zeros(1)}
    with pytest.raises(InputError, match="not of the same frames"):
        recut_reflections(table, old, replace(other, panels=(replace(
            other[0], pixel_size=(0.1, 0.1)),)))  # fmt: skip
    coarse = replace(new, panels=tuple(replace(p, pixel_size=(0.2, 0.2)) for p in new.panels))
    with pytest.raises(InputError, match="other pixel sizes"):
        recut_reflections(table, old, coarse)

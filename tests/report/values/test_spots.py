"""Points of the reciprocal lattice, and counts of spots, of a known crystal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.residual_examples import observed, run

from dxdask.columns import Flag, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.report.values import (
    projected,
    reciprocal_lattice,
    spots_by_image,
    spots_over_detector,
)


def test_points_are_a_times_hkl() -> None:
    e = run()
    table = observed(e)
    found = reciprocal_lattice((table, ExperimentList.of([e])))
    # a hundredth of a pixel: the parallax of predictions and observations differs by that
    np.testing.assert_allclose(found.rlp, table["hkl"] @ e.crystal.a.T, atol=2e-4)
    np.testing.assert_allclose(found.d, table["d"], rtol=2e-3)
    assert found.indexed.all()
    assert set(found.lattice) == {0}


def test_along_a_star_the_other_axes_are_in_the_plane() -> None:
    e = run()
    table = observed(e)
    found = reciprocal_lattice((table, ExperimentList.of([e])))
    a, b, c = e.crystal.a.T
    for view, (depth, right) in {"a*": (a, b), "b*": (b, c), "c*": (c, a)}.items():
        xy, names = projected(found, view)
        along = found.rlp @ depth / np.linalg.norm(depth)
        np.testing.assert_allclose(
            np.linalg.norm(found.rlp, axis=1) ** 2, (xy**2).sum(axis=1) + along**2, atol=1e-12
        )
        assert view not in names
        # layers of the lattice are straight rows: the next axis is to the right
        unit = right - (right @ depth) * depth / (depth @ depth)
        np.testing.assert_allclose(xy[:, 0], found.rlp @ unit / np.linalg.norm(unit), atol=1e-12)
    xy, names = projected(found, "z")
    np.testing.assert_allclose(xy, found.rlp[:, :2])
    assert names == ("x", "y")
    with pytest.raises(InputError, match="unknown view 'q'"):
        projected(found, "q")
    with pytest.raises(InputError, match=r"view b\* needs a crystal"):
        projected(found._replace(axes=None), "b*")


def test_lattices_limits_and_numbers_of_points() -> None:
    one, two = run("same"), replace(run("same"), identifier="b")
    table = observed(one, two)
    table["flags"][::5] &= ~np.uint32(Flag.INDEXED)
    source = table, ExperimentList.of([one, two])
    found = reciprocal_lattice(source)
    np.testing.assert_array_equal(
        found.lattice, np.where(np.arange(len(found.d)) % 5 == 0, -1, table["experiment"])
    )
    assert reciprocal_lattice(source, d_min=4.0).d.min() >= 4.0
    assert len(reciprocal_lattice(source, max_points=100).d) == 100
    with pytest.raises(InputError, match="give a smaller d_min"):
        reciprocal_lattice(source, d_min=500.0)


def test_every_image_of_a_scan_has_its_numbers_of_spots() -> None:
    one, two = run("one"), run("two", n_images=10)
    table = observed(one, two)
    empty = (np.floor(table["z"]) == 20) & (table["experiment"] == 0)
    table = select(table, ~empty)
    lost = np.arange(len(table["z"])) % 3 == 0
    table["flags"][lost] &= ~np.uint32(Flag.INDEXED)
    found = spots_by_image((table, ExperimentList.of([one, two])))
    assert found.groupby("run").size().to_dict() == {"one": 40, "two": 10}
    assert found["n_indexed"].sum() == (~lost).sum()
    assert found["n_unindexed"].sum() == lost.sum()
    first = found[found["run"] == "one"].set_index("image")
    assert first.loc[21, ["n_indexed", "n_unindexed"]].tolist() == [0, 0]
    own = (np.floor(table["z"]) == 11) & (table["experiment"] == 0)
    assert first.loc[12].tolist() == ["one", (own & ~lost).sum(), (own & lost).sum()]


def test_places_of_spots_are_those_on_the_stored_frame() -> None:
    e = run(panels=4)
    table = observed(e)
    found = spots_over_detector((table, ExperimentList.of([e])))
    offsets = np.array([p.offset for p in e.detector.panels])[table["panel"]]
    np.testing.assert_allclose(found["frame_x"], table["x"] + offsets[:, 0])
    np.testing.assert_allclose(found["frame_y"], table["y"] + offsets[:, 1])
    assert found["indexed"].all()
    with pytest.raises(InputError, match="no reflections"):
        spots_over_detector((select(table, np.arange(0)), ExperimentList.of([e])))


def test_spots_of_no_experiment_are_those_of_the_only_run_or_left_out() -> None:
    one, two = run("one"), run("two")
    for runs in ([one], [one, two]):
        table = observed(*runs)
        table["experiment"][::10] = -1  # as files of DIALS have it for spots that are not indexed
        table["flags"][::10] &= ~np.uint32(Flag.INDEXED)
        found = spots_by_image((table, ExperimentList.of(runs)))
        lost = (table["experiment"] == -1).sum()
        assert found["n_indexed"].sum() == len(table["z"]) - lost
        assert found["n_unindexed"].sum() == (lost if len(runs) == 1 else 0)
        points = reciprocal_lattice((table, ExperimentList.of(runs)))
        assert points.indexed.sum() == len(table["z"]) - lost

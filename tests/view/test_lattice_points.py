"""Points of the reciprocal lattice against models, indices and the rows of the store."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.viewer import Viewing, viewing

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.models import Crystal
from dxdask.storage.store.store import Store
from dxdask.view.lattice_points import lattice_points
from dxdask.view.overlays import Kind

RUN = "tiny_3"


def test_indexed_points_are_near_their_lattice_points(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("lattice")
    assert len(got["kind"]) == len(processed.columns("refine", ["x"])["x"]) == got["n"]
    points = lattice_points(processed)
    np.testing.assert_array_equal(points.arrays["xyz"], got["xyz"])
    hkl = points.results.reflections["hkl"][points.rows]
    indexed = got["kind"] == Kind.INDEXED
    assert indexed.sum() > 300
    crystals = {e.run: e.crystal for e in processed.experiments("refine")}
    for i, run in enumerate(got["runs"]):
        own = indexed & (got["run"] == i)
        rlp = got["xyz"][own] * got["unit"]
        expected = hkl[own] @ np.asarray(crystals[run].a).T
        # rounded to the unit in each direction; spots are off by a fraction of an image at most
        assert np.median(np.linalg.norm(rlp - expected, axis=1)) < 2e-3
        axes = got["axes"][got["crystal_runs"].index(run)].reshape(3, 3)
        np.testing.assert_allclose(axes, np.asarray(crystals[run].a).T, rtol=1e-6)


def test_kinds_and_residuals_are_those_of_refinement(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("lattice", run=RUN)
    table = processed.columns("refine", run=RUN)
    indexed = has_flag(table, Flag.INDEXED)
    assert (got["kind"] != Kind.UNINDEXED).sum() == indexed.sum()
    assert (got["lattice"][got["kind"] != Kind.UNINDEXED] == 0).all()
    assert (got["lattice"][got["kind"] == Kind.UNINDEXED] == -1).all()
    away = np.hypot(table["x"] - table["x_cal"], table["y"] - table["y_cal"])[indexed]
    found = np.sort(got["residual"][got["kind"] != Kind.UNINDEXED] * got["residual_unit"])
    limit = np.quantile(away, 0.99)
    np.testing.assert_allclose(
        found, np.sort(np.minimum(away, limit)), atol=got["residual_unit"] * 0.51
    )


def test_a_point_names_its_spot(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("lattice", run=RUN)
    table = processed.columns("refine", run=RUN)
    i = int(np.argmax(got["kind"] == Kind.INDEXED))
    spot = viewer.ask("lattice_spot", run=RUN, point=i, version=got["version"]).json
    row = np.argmin(np.hypot(table["x"] - spot["x"], table["y"] - spot["y"]))
    assert (spot["x"], spot["y"]) == (table["x"][row], table["y"][row])
    assert spot["image"] == int(np.floor(table["z"][row])) + 1
    assert spot["panel"] == table["panel"][row]
    assert spot["hkl"] == table["hkl"][row].tolist()
    length = np.linalg.norm(got["xyz"][i] * got["unit"])
    assert spot["d"] == pytest.approx(1.0 / length)
    assert spot["residual"] == pytest.approx(
        np.hypot(table["x"][row] - table["x_cal"][row], table["y"][row] - table["y_cal"][row])
    )


def test_the_first_points_of_many_are_an_even_sample(processed: Store) -> None:
    every = lattice_points(processed)
    some = lattice_points(processed, most=200)
    assert some.values["n"] == every.values["n"] == len(every.rows)
    np.testing.assert_array_equal(some.rows, every.rows[:200])
    share = [np.bincount(p.arrays["run"], minlength=3) / len(p.rows) for p in (every, some)]
    np.testing.assert_allclose(*share, atol=0.1)


def test_points_of_stills_are_those_of_their_own_crystals(stills_store: Store) -> None:
    points = lattice_points(stills_store)
    table, _ = points.results
    indexed = np.flatnonzero(points.arrays["kind"] == Kind.INDEXED)
    assert len(indexed) > 20
    rlp = points.arrays["xyz"] * points.values["unit"]
    lattice = points.arrays["lattice"][indexed]
    np.testing.assert_array_equal(lattice, np.floor(table["z"][points.rows[indexed]]))
    axes = dict(zip(points.values["crystal_lattices"], points.arrays["axes"], strict=True))
    assert set(lattice) == set(axes)
    a = np.array([axes[k].reshape(3, 3).T for k in lattice])
    expected = np.einsum("nij,nj->ni", a, table["hkl"][points.rows[indexed]])
    assert np.median(np.linalg.norm(rlp[indexed] - expected, axis=1)) < 5e-3


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"point": -1}, 400, "points 0 to"),
        ({"point": 10**7}, 400, "points 0 to"),
        ({"version": "refine|old|"}, 400, "have changed"),
        ({"run": "nosuch"}, 404, "complete runs"),
    ],
)
def test_points_that_are_not_there(
    viewer: Viewing, change: dict[str, object], status: int, text: str
) -> None:
    version = viewer.arrays("lattice", run=RUN)["version"]
    reply = viewer.ask("lattice_spot", **({"run": RUN, "point": 0, "version": version} | change))
    assert reply.status == status
    assert text in reply.json["error"]


def test_a_store_without_spots(raw: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = dxdask.import_(raw[:1], tmp_path_factory.mktemp("bare") / "bare.zarr")
    with viewing(store.path) as viewer:
        reply = viewer.ask("lattice")
        assert reply.status == 400
        assert "dxdask find_spots" in reply.json["error"]


def test_lattices_coincide_in_the_axes_of_their_crystals(viewer: Viewing, processed: Store) -> None:
    got = viewer.arrays("lattice", of="crystal")
    table = processed.columns("refine", ["flags"])
    assert len(got["kind"]) == has_flag(table, Flag.INDEXED).sum() == got["n"]
    assert (got["kind"] != Kind.UNINDEXED).all()
    points = lattice_points(processed, of="crystal")
    hkl = points.results.reflections["hkl"][points.rows]
    crystals = {e.run: e.crystal for e in processed.experiments("refine")}
    xyz, good = got["xyz"] * got["unit"], got["kind"] == Kind.INDEXED
    for i, run in enumerate(got["runs"]):
        b, own = np.asarray(crystals[run].b), good & (got["run"] == i)
        assert np.median(np.linalg.norm(xyz[own] - hkl[own] @ b.T, axis=1)) < 2e-3
        axes = got["axes"][got["crystal_runs"].index(run)].reshape(3, 3)
        np.testing.assert_allclose(axes, b.T, rtol=1e-5, atol=1e-7)
    spot = viewer.ask("lattice_spot", of="crystal", point=3, version=got["version"]).json
    assert spot["d"] == pytest.approx(1.0 / np.linalg.norm(xyz[3]))
    assert spot["hkl"] == hkl[3].tolist()


def test_stills_coincide_in_the_axes_of_their_crystals(stills_store: Store) -> None:
    points = lattice_points(stills_store, of="crystal")
    hkl = points.results.reflections["hkl"][points.rows]
    xyz = points.arrays["xyz"] * points.values["unit"]
    cell = Crystal.from_cell(_cell(stills_store)).b
    assert len(set(points.arrays["lattice"].tolist())) > 1
    good = points.arrays["kind"] == Kind.INDEXED
    away = np.linalg.norm(xyz[good] - hkl[good] @ np.asarray(cell).T, axis=1)
    assert np.median(away) < 5e-3


def _cell(store: Store) -> tuple[float, ...]:
    """Return the median cell of the stills."""
    a = store.arrays("index", ["a_matrix", "indexed"])
    matrices = a["a_matrix"][a["indexed"].astype(bool)].reshape(-1, 3, 3).tolist()
    cells = [Crystal(a_matrix=tuple(map(tuple, m))).unit_cell for m in matrices]
    return tuple(np.median(cells, axis=0).tolist())


def test_a_store_that_is_not_indexed_has_no_points_in_crystals(
    viewer: Viewing, processed: Store, tmp_path: Path
) -> None:
    assert viewer.ask("lattice", of="nosuch").status == 400
    path = tmp_path / "spots.zarr"
    shutil.copytree(processed.path, path)
    for step in ("refine", "index"):
        shutil.rmtree(path / "results" / "main" / step)
    with pytest.raises(InputError, match="no indexed spots of any run"):
        lattice_points(dxdask.open(path, "r"), of="crystal")

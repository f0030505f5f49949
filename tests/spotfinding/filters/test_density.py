"""The filter of places with far too many spots: made-up crowds, and DIALS's own verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials
from support.spot_examples import experiment_for

from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.filters.density import dense_above, is_sparse


def crowd(
    seed: int, n: int = 6000, n_crowded: int = 900, width: float = 6.0
) -> NDArray[np.float64]:
    """Return places (n, 2), most spread evenly, those at the end close together."""
    rng = np.random.default_rng(seed)
    wide = rng.uniform((0, 0), (1000, 1200), (n, 2))
    close = rng.normal((420, 610), width, (n_crowded, 2))
    return np.concatenate([wide, close])


def test_a_crowd_is_left_out_and_no_other() -> None:
    xy = crowd(1)
    keep = is_sparse(np.zeros(len(xy), np.int32), *xy.T)
    assert keep[-900:].sum() < 60
    far = np.hypot(*(xy[:-900] - (420, 610)).T) > 60
    assert keep[:-900][far].all()


def test_panels_do_not_lie_upon_one_another() -> None:
    one, two = crowd(1, n_crowded=0), crowd(2)
    panel = np.repeat([0, 1], [len(one), len(two)]).astype(np.int32)
    keep = is_sparse(panel, *np.concatenate([one, two]).T)
    assert keep[panel == 0].all()
    assert keep[-900:].sum() < 60


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_few_spots_are_all_kept(n: int) -> None:
    x, y = np.random.default_rng(n).uniform(0, 1000, (2, n))
    assert is_sparse(np.zeros(n, np.int32), x, y).all()
    assert is_sparse(np.arange(n, dtype=np.int32), x, y).all()


def test_spots_at_one_place_are_kept_where_that_is_all_there_is() -> None:
    assert dense_above(np.full(100, 7.0)) is None
    x = np.full(50, 3.5)
    assert is_sparse(np.zeros(50, np.int32), x, x).all()


@pytest.mark.jit
def test_the_filter_acts_and_says_so() -> None:
    rng = np.random.default_rng(5)
    frames = rng.poisson(1.0, (1, 600, 600)).astype(np.uint16)
    wide = rng.integers(5, 595, (500, 2))
    close = np.stack(np.mgrid[300:332:4, 300:332:4], axis=-1).reshape(-1, 2)
    for y, x in np.concatenate([wide, close]):
        frames[0, y - 1 : y + 1, x - 1 : x + 1] += 100
    experiment = experiment_for(frames)
    threshold = {"algorithm": "dispersion"}
    plain, asked = (
        SpotfinderParameters.model_validate(
            {"threshold": threshold, "filter": {"spot_density": {"filter": on}}}
        )
        for on in (False, True)
    )
    all_, some = (find_spots(frames, experiment, None, p) for p in (plain, asked))
    n, m = len(all_.reflections["x"]), len(some.reflections["x"])
    assert n - 90 < m < n - 40
    assert f"Filtered {m} of {n} spots by spot density" in some.messages
    crowded = [
        (np.abs(r.reflections["x"] - 315) < 14) & (np.abs(r.reflections["y"] - 315) < 14)
        for r in (all_, some)
    ]
    assert crowded[0].sum() > 40
    assert not crowded[1].any()


VERDICTS = """
import numpy as np
from dials.algorithms.spot_finding.factory import SpotDensityFilter
from dials.array_family import flex
given = np.load("places.npz")
class Places:
    def __init__(self, xy): self.xy = xy
    def centroids(self): return self
    def px_position_xy(self):
        return flex.vec2_double(*(flex.double(np.ascontiguousarray(c)) for c in self.xy.T))
out = {}
for name in given.files:
    xy = given[name]
    flags = SpotDensityFilter().run(flex.bool(len(xy), True), observations=Places(xy))
    out[name] = flags.as_numpy_array()
np.savez("verdicts.npz", **out)
"""


@pytest.mark.dials
@needs_dials
def test_verdicts_are_those_of_dials(tmp_path: Path) -> None:
    places = {f"crowd{i}": crowd(i, n_crowded=150 * i, width=15 + 5 * i) for i in range(1, 6)}
    # many on a few bright rows, at whole and half pixels as centroids of small spots are
    rng = np.random.default_rng(9)
    rows = np.floor(2 * rng.uniform(0, (1000, 1000), (4000, 2))) / 2
    rows[:1500, 1] = rng.choice([200.5, 400.5, 401.0], 1500)
    places["rows"] = rows
    dense = crowd(1)
    np.savez(tmp_path / "places.npz", dense=dense, **places)  # type: ignore[arg-type]
    run_dials(str(DIALS_PYTHON), "-c", VERDICTS, folder=tmp_path)
    theirs = np.load(tmp_path / "verdicts.npz")
    for name, xy in places.items():
        keep = is_sparse(np.zeros(len(xy), np.int32), *xy.T)
        np.testing.assert_array_equal(keep, theirs[name], err_msg=name)
        assert 50 < (~keep).sum() < len(keep) / 2
    # with one very dense region DIALS rejects all, except a few on edges
    assert theirs["dense"].sum() < 10

"""Hits by the number of spots within limits of resolution."""

import json

import numpy as np
import pytest
from support.made_up_stills import shots

from dxdask.errors import ParameterError, SchemaError
from dxdask.fate import Fate
from dxdask.hits import HitParameters, find_hits
from dxdask.models import ExperimentList
from dxdask.still_columns import check_stills


def events(n=5, blanks=3):
    made = shots(n, reach=1e-3)
    image = np.arange(n + blanks, dtype=np.int32)
    stills = {
        "experiment": np.zeros(n + blanks, np.int32), "image": image,
        "wavelength": np.resize(made.stills["wavelength"], n + blanks),
    }  # fmt: skip
    return made.reflections, stills, ExperimentList.of([made.experiment])


def test_events_with_enough_spots_are_hits():
    reflections, stills, experiments = events()
    result = find_hits(reflections, stills, experiments)
    table = check_stills(dict(result.arrays))
    counts = np.bincount(np.floor(reflections["z"]).astype(int), minlength=8)
    assert table["n_spots"].tolist() == counts.tolist()
    assert table["hit"].tolist() == [True] * 5 + [False] * 3
    assert table["reason"].tolist() == [Fate.NOT_INDEXED] * 5 + [Fate.NO_HIT] * 3
    assert result.messages == ("5 of 8 events are hits (62.5 %)",)


def test_limits():
    reflections, stills, experiments = events()
    counts = find_hits(reflections, stills, experiments).arrays["n_spots"]

    def with_limits(**values):
        return find_hits(reflections, stills, experiments, HitParameters(**values)).arrays

    most = int(counts.max())
    assert with_limits(min_peaks=most)["hit"].sum() == np.sum(counts == most)
    assert with_limits(min_peaks=most + 1)["hit"].sum() == 0
    inner, outer = with_limits(d_min=6.0)["n_spots"], with_limits(d_max=6.0)["n_spots"]
    assert np.array_equal(inner + outer, counts)
    assert inner.sum() > 0
    assert outer.sum() > 0
    assert with_limits(preset="permissive")["hit"].sum() >= with_limits()["hit"].sum()


@pytest.mark.parametrize(
    ("preset", "hits"),
    [("permissive", [1, 1, 1]), ("default", [0, 1, 1]), ("restrictive", [0, 0, 1])],
)
def test_presets_ask_for_more_or_fewer_spots(preset, hits):
    reflections, stills, experiments = events(3, blanks=0)
    image = np.floor(reflections["z"]).astype(int)
    order = np.arange(len(image)) - np.searchsorted(image, image)
    kept = order < np.array([15, 24, 25])[image]
    fewer = {name: values[kept] for name, values in reflections.items()}
    found = find_hits(fewer, stills, experiments, HitParameters(preset=preset)).arrays
    assert found["n_spots"].tolist() == [15, 24, 25]
    assert found["hit"].tolist() == [bool(h) for h in hits]
    own = HitParameters(preset=preset, min_peaks=25)
    assert find_hits(fewer, stills, experiments, own).arrays["hit"].tolist() == [False] * 2 + [True]


def test_what_failed_before_stays_so():
    reflections, stills, experiments = events()
    reason = np.full(8, Fate.NO_HIT, np.int32)
    reason[1] = Fate.TOO_MANY_STRONG_PIXELS
    table = find_hits(reflections, {**stills, "reason": reason}, experiments).arrays
    assert not table["hit"][1]
    assert table["reason"][1] == Fate.TOO_MANY_STRONG_PIXELS
    assert table["hit"].sum() == 4


def test_without_a_wavelength_it_is_no_hit():
    reflections, stills, experiments = events()
    stills["wavelength"][2] = np.nan
    table = find_hits(reflections, stills, experiments).arrays
    assert table["hit"].tolist() == [True, True, False, True, True, False, False, False]
    assert table["reason"][2] == Fate.NO_WAVELENGTH
    assert table["reason"][7] == Fate.NO_HIT


def test_tables():
    reflections, stills, experiments = events(5, 20)
    result = find_hits(reflections, stills, experiments)
    rows = json.loads(json.dumps([t.to_dict() for t in result.tables]))
    rate, each = rows[0]["rows"], rows[1]["rows"]
    assert len(each) == 25
    assert each[0] | {"n_spots": 0} == {
        "run": "made_up", "image": 1, "event_id": -1, "n_spots": 0, "hit": True, "reason": None,
    }  # fmt: skip
    assert each[24]["reason"] == "too few spots for a hit"
    assert len(rate) == 10
    assert sum(r["n_events"] for r in rate) == 25
    assert sum(r["n_hits"] for r in rate) == 5
    assert (rate[0]["first"], rate[-1]["last"]) == (1, 25)
    assert rate[-1]["median_spots"] is None
    assert "Hits, over the run" in str(result.table("hit_rate"))


def test_no_events():
    reflections, stills, experiments = events()
    none = {k: v[:0] for k, v in stills.items()}
    result = find_hits(reflections, none, experiments)
    assert len(result.arrays["hit"]) == 0
    assert result.messages == ("0 of 0 events are hits (0.0 %)",)


def test_bad_input():
    reflections, stills, experiments = events()
    with pytest.raises(ParameterError, match="exchange"):
        find_hits(reflections, stills, experiments, HitParameters(d_min=5.0, d_max=4.0))
    with pytest.raises(SchemaError, match="wavelength"):
        find_hits(reflections, {"experiment": stills["experiment"]}, experiments)

"""Pixel histograms show notches, full pixels and nothing of what is not indexed."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.analysis import HistogramParameters, histogram
from dxdask.columns import Flag, Reflections
from dxdask.errors import InputError, ParameterError
from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel

Spots = tuple[Reflections, dict[str, np.ndarray]]


def spots(runs: tuple[int, ...] = (0, 1), n: int = 400) -> tuple[Spots, ExperimentList]:
    """Return spots whose pixels were recorded by a detector that switches gain at 30 counts."""
    rng = np.random.default_rng(4)
    experiment = np.repeat(runs, n).astype(np.int32)
    sizes = rng.integers(2, 20, len(experiment))
    counts = rng.exponential(60.0, sizes.sum())
    counts = counts.astype(np.int64) + 1
    recorded = np.where(counts >= 30, np.rint(1.02 * counts) + 1, counts)
    recorded[::500] = 10000
    flags = np.full(len(experiment), Flag.STRONG | Flag.INDEXED, np.uint32)
    flags[::10] = Flag.STRONG
    reflections = {"experiment": experiment, "flags": flags}
    arrays = {
        "pixel_offsets": np.concatenate([[0], np.cumsum(sizes)]),
        "pixel_value": recorded.astype(np.int32),
    }
    panel = Panel(trusted_range=(-1.0, 10000.0))
    experiments = ExperimentList.of(
        [
            Experiment(
                identifier=str(i),
                run=f"run{i + 1}",
                beam=Beam(),
                detector=Detector(panels=(panel,)),
            )
            for i in range(2)
        ]
    )
    return (reflections, arrays), experiments


def test_counts_are_those_of_numpy() -> None:
    (reflections, arrays), experiments = spots()
    result = histogram(reflections, arrays, experiments)
    owner = np.repeat(np.arange(len(reflections["flags"])), np.diff(arrays["pixel_offsets"]))
    indexed = (reflections["flags"] & Flag.INDEXED) != 0
    for run in range(2):
        chosen = indexed[owner] & (reflections["experiment"][owner] == run)
        values = arrays["pixel_value"][chosen]
        expected = np.bincount(values, minlength=12000)
        np.testing.assert_array_equal(result.arrays["histogram"][run], expected)
        row = result.table("runs").rows[run]
        assert row["n_pixels"] == len(values)
        assert row["n_spots"] == 360
        assert row["max"] == 10000
        assert row["n_saturated"] == (values >= 10000).sum()
    np.testing.assert_array_equal(result.arrays["bin_centres"], np.arange(12000) + 0.5)


def test_the_notch_is_found() -> None:
    (reflections, arrays), experiments = spots(n=4000)
    result = histogram(reflections, arrays, experiments)
    assert [r["notch"] for r in result.table("runs").rows] == ["30-31", "30-31"]
    assert "30-31" in result.messages[0]


def test_values_outside_go_to_the_last_bin_or_nowhere() -> None:
    reflections = {"experiment": np.zeros(1, np.int32), "flags": np.zeros(1, np.uint32)}
    arrays = {"pixel_offsets": np.array([0, 4]), "pixel_value": np.array([1, 25, 500, 9])}
    _, experiments = spots()
    parameters = HistogramParameters(data_min=5, data_max=105, n_slots=10, indexed_only=False)
    result = histogram(reflections, arrays, experiments, parameters)
    expected = [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_array_equal(result.arrays["histogram"][0], expected)
    assert result.table("runs").rows[0]["max"] == 500
    empty = result.table("runs").rows[1]
    assert (empty["n_pixels"], empty["max"], empty["notch"]) == (0, None, "")


def test_full_pixels_beyond_the_bins_are_counted() -> None:
    (reflections, arrays), experiments = spots()
    narrow = histogram(reflections, arrays, experiments, HistogramParameters(data_max=500))
    whole = histogram(reflections, arrays, experiments)
    for few, all_of_them in zip(narrow.table("runs").rows, whole.table("runs").rows, strict=True):
        assert few["n_saturated"] == all_of_them["n_saturated"] > 0
        assert few["max"] == all_of_them["max"] == 10000


def test_pixels_of_other_spots_are_refused() -> None:
    (reflections, arrays), experiments = spots()
    wrong = arrays | {"pixel_offsets": arrays["pixel_offsets"][:-1]}
    with pytest.raises(InputError, match="find_spots"):
        histogram(reflections, wrong, experiments)
    with pytest.raises(ParameterError, match="data_max"):
        histogram(reflections, arrays, experiments, HistogramParameters(data_min=9, data_max=9))

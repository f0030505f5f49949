"""Reports of spot finding: counts of images, their background, DIALS's plot of spots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.shoebox_examples import insulin_start, needs_dials, run_dials
from support.spot_examples import experiment_for, spotty_frames

from dxdask.models import Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.reports.count_histogram import count_histogram
from dxdask.spotfinding.result import combine_reports
from dxdask.tables import Table


def background_of(
    frames: NDArray[Any], mask: NDArray[np.bool_] | None = None, **given: Any
) -> Table:
    parameters = SpotfinderParameters.model_validate({"compute_mean_background": True, **given})
    experiment = given.pop("experiment", None) or experiment_for(frames)
    return find_spots(frames, experiment, mask, parameters).table("images")


@pytest.mark.shared
@pytest.mark.parametrize("run", range(5))
def test_the_plot_of_spots_is_that_of_dials(shared: Path, run: int) -> None:
    log = (shared / "reference/insulin/logs/dials.find_spots.log").read_text()
    plot = log.split(f"Histogram of per-image spot count for imageset {run}:\n")[1]
    spots = np.load(shared / "reference/insulin/strong.npz")
    z = spots["xyzobs.px.value"][spots["id"] == run, 2]
    ours = [line.rstrip() for line in count_histogram(z).split("\n")]
    assert ours == [line.rstrip() for line in plot.split("\n")[: len(ours)]]


def test_a_plot_of_few_images() -> None:
    lines = count_histogram(np.repeat(np.arange(5) + 0.5, [1, 10, 5, 0, 2])).split("\n")
    assert lines[0] == "18 spots found on 5 images (max 6 / bin)"
    assert lines[11] == "1   5"
    assert len({len(line) for line in lines[1:]}) == 1
    assert [line[3] for line in lines[1:11]].count("*") == 0
    assert count_histogram(np.array([3.5, 3.5])) == "2 spots found on 1 image"


@given(z=st.lists(st.floats(0.0, 500.0), min_size=1, max_size=80))
def test_a_plot_is_never_too_wide(z: list[float]) -> None:
    lines = count_histogram(np.array(z)).split("\n")
    assert len(lines) in (1, 12)
    assert all(len(line) <= 60 for line in lines[1:-1])


def test_spots_of_each_image_add_up() -> None:
    frames = spotty_frames()
    result = find_spots(frames, experiment_for(frames))
    rows = result.table("images").rows
    assert sum(r["n_spots"] for r in rows) == len(result.reflections["x"])
    assert result.table("images").printed
    many = combine_reports([result] * 5).table("images")
    assert len(many.rows) == 115
    assert not many.printed


def test_the_mean_background_is_of_good_pixels_that_are_not_strong() -> None:
    frames = np.random.default_rng(5).poisson(3.0, (2, 40, 50)).astype(np.uint16)
    frames[0, 10:13, 10:13] = 400
    frames[1, 30, 40] = 65535
    mask = np.ones((40, 50), bool)
    mask[:, 45:] = False
    rows = background_of(frames, mask).rows
    strong = np.zeros((40, 50), bool)
    strong[10:13, 10:13] = True
    assert rows[0]["n_strong_pixels"] == 9
    assert rows[0]["mean_background"] == frames[0][mask & ~strong].mean()
    assert rows[1]["mean_background"] == frames[1][mask & (frames[1] < 65535)].mean()
    parameters = SpotfinderParameters(compute_mean_background=True)
    first, *_ = find_spots(frames, experiment_for(frames), mask, parameters).messages
    mean = rows[0]["mean_background"]
    assert first == f"Found 9 strong pixels on image 1 with average background {mean:f}"
    assert "mean_background" not in find_spots(frames, experiment_for(frames)).tables[0].rows[0]


def test_the_mean_background_is_of_all_panels() -> None:
    frames = np.random.default_rng(5).poisson(3.0, (1, 40, 60)).astype(np.float32)
    panels = (
        Panel(image_size=(30, 40), trusted_range=(-1, 1000)),
        Panel(image_size=(20, 40), offset=(40, 0), trusted_range=(-1, 1000), pedestal=1.0),
    )
    parameters = SpotfinderParameters(compute_mean_background=True)
    result = find_spots(frames, experiment_for(frames, panels=panels), None, parameters)
    assert result.table("images").rows[0]["n_strong_pixels"] == 0
    expected = (frames[0, :, :30].sum() + (frames[0, :, 40:] - 1).sum()) / 2000
    np.testing.assert_allclose(result.table("images").rows[0]["mean_background"], expected)


def test_an_image_without_background_has_none() -> None:
    frames = np.full((1, 20, 20), 65535, np.uint16)
    assert background_of(frames).rows[0]["mean_background"] is None


def test_the_largest_trusted_value_can_be_set() -> None:
    frames = np.random.default_rng(1).poisson(1.0, (1, 30, 30)).astype(np.uint16)
    frames[0, 10:13, 10:13] = 500
    frames[0, 20:23, 20:23] = 300

    def found(**given: Any) -> tuple[list[float], str]:
        parameters = SpotfinderParameters.model_validate(given)
        result = find_spots(frames, experiment_for(frames), None, parameters)
        return result.reflections["peak"].tolist(), result.messages[0]

    assert found() == ([500, 300], "Extracted 2 spots")
    line = "Overriding maximum trusted value to 500.0"
    assert found(maximum_trusted_value=500) == ([300], line)
    assert found(maximum_trusted_value=501)[0] == [500, 300]
    left = found(maximum_trusted_value=500, filter={"use_trusted_range": False})
    assert left == ([300], line)


def test_a_region_of_interest_is_all_that_is_looked_at() -> None:
    frames = np.random.default_rng(1).poisson(1.0, (1, 30, 40)).astype(np.uint16)
    frames[0, 10:13, 10:13] = 500
    frames[0, 20:23, 30:33] = 300
    experiment = experiment_for(frames)
    parameters = SpotfinderParameters(region_of_interest=(25, 40, 15, 30))
    spots = find_spots(frames, experiment, None, parameters).reflections
    assert spots["bbox"].tolist() == [[30, 33, 20, 23, 0, 1]]
    cut = find_spots(frames[:, 15:30, 25:40], experiment_for(frames[:, 15:30, 25:40])).reflections
    np.testing.assert_allclose(spots["x"], cut["x"] + 25)


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
@needs_dials
def test_lines_are_those_of_dials(shared: Path, tmp_path: Path) -> None:
    frames, experiment, mask, file = insulin_start(shared, 3)
    words = "scan_range=1,20", "compute_mean_background=True", "maximum_trusted_value=500"
    run_dials("dials.import", str(file), folder=tmp_path)
    asked = [f"spotfinder.{w}" if "scan" in w or "compute" in w else w for w in words]
    log = run_dials("dials.find_spots", "imported.expt", *asked, "nproc=1", folder=tmp_path)
    parameters = SpotfinderParameters(
        scan_range=((1, 20),),
        compute_mean_background=True,
        maximum_trusted_value=500,
        mask_bad_pixels=False,
    )
    result = find_spots(frames, experiment, mask, parameters)
    theirs = {line.rstrip() for line in log.split("\n")}
    ours = {line.rstrip() for message in result.messages for line in message.split("\n")}
    ours = {line for line in ours if not line.startswith("Histogram")}
    assert len(ours) > 30
    assert not ours - theirs

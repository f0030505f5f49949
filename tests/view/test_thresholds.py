"""Pictures of thresholds against spot finding's own threshold and against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from support.viewer import Viewing

from dxdask.masking import MaskParameters, panel_masks
from dxdask.spotfinding.thresholds import threshold_of
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters
from dxdask.storage.store.store import Store

RUN, IMAGE = "tiny_3", 4


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"algorithm": "dispersion", "dispersion.sigma_strong": 4.0},
        {"dispersion.kernel_size": "2,4", "dispersion.sigma_background": 3.0},
        {"dispersion.global_threshold": "None"},
        {"algorithm": "radial_profile", "radial_profile.n_iqr": 4.0},
        {"algorithm": "helen", "helen.global_threshold": 5.0},
    ],
)
def test_the_result_of_a_region_is_that_of_spot_finding(
    viewer: Viewing, processed: Store, given: dict[str, object]
) -> None:
    experiment = processed.run_experiment(RUN)
    panel = experiment.detector[0]
    frame = processed.frame_reader(RUN).read(IMAGE - 1, IMAGE)[0]
    image = np.ascontiguousarray(frame[panel.slices])
    mask = panel_masks(experiment.detector, experiment.beam, processed.mask(RUN), MaskParameters())[
        0
    ]
    values: dict[str, dict[str, object]] = {}
    for name, value in given.items():
        group, _, field = name.partition(".")
        if not field:
            values[group] = value  # type: ignore[assignment]
            continue
        if value == "None":
            value = None
        elif isinstance(value, str):
            value = tuple(map(int, value.split(",")))
        values.setdefault(group, {})[field] = value
    work = threshold_of(
        panel, experiment.beam, image.dtype, ThresholdParameters.model_validate(values)
    )
    whole = work(image, mask, panel.trusted_range).copy()
    x0, x1, y0, y1 = 60, 190, 20, 110
    got = viewer.array(
        "threshold", run=RUN, image=IMAGE, picture="result",
        regions=f"0,{x0},{x1},{y0},{y1}", **given,
    )  # fmt: skip
    good = mask[y0:y1, x0:x1]
    np.testing.assert_array_equal(np.isnan(got), ~good)
    np.testing.assert_array_equal(got[good] == 1, whole[y0:y1, x0:x1][good])
    assert whole[y0:y1, x0:x1].any()


def test_moments_are_those_of_the_window(viewer: Viewing, processed: Store) -> None:
    experiment = processed.run_experiment(RUN)
    panel = experiment.detector[0]
    image = processed.frame_reader(RUN).read(IMAGE - 1, IMAGE)[0][panel.slices].astype(float)
    mask = panel_masks(experiment.detector, experiment.beam, processed.mask(RUN), MaskParameters())[
        0
    ]
    good = mask & (image > panel.trusted_range[0]) & (image < panel.trusted_range[1])
    got = {
        p: viewer.array("threshold", run=RUN, image=IMAGE, picture=p, regions="0,0,256,0,128")
        for p in ("mean", "variance", "dispersion", "sigma_b", "sigma_s", "global")
    }
    for y, x in ((0, 0), (1, 200), (64, 100), (127, 255), (50, 31)):
        if not mask[y, x]:
            continue
        window = np.s_[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        values = image[window][good[window]]
        mean, variance = values.mean(), values.var(ddof=1)
        assert got["mean"][y, x] == pytest.approx(mean, rel=1e-5)
        assert got["variance"][y, x] == pytest.approx(variance, rel=1e-5)
        n, g = len(values), good[y, x]
        if mean > 0:
            assert got["dispersion"][y, x] == pytest.approx(variance / mean, rel=1e-5)
            limit = 1 + 6.0 * np.sqrt(2 / (n - 1))
            assert got["sigma_b"][y, x] == (g and variance / mean > limit)
            assert got["sigma_s"][y, x] == (g and image[y, x] > mean + 3 * np.sqrt(mean / n * n))
        assert got["global"][y, x] == (g and image[y, x] > 0)


@pytest.mark.parametrize(
    "change",
    [
        {"regions": "7,0,50,0,50"},
        {"regions": ""},
        {"regions": "0,0,50,0"},
        {"regions": "0,0,50,0,half"},
        {"regions": "0,0,50,0,50;" * 1001},
        {"picture": "nosuch"},
        {"regions": "0,0,9999,0,50"},
        {"regions": "0,0,50,0,50;0,50,50,0,50"},
        {"dispersion.sigma_strong": -1},
        {"dispersion.nosuch": 1},
        {"algorithm": "nosuch"},
    ],
)
def test_what_cannot_be_shown(viewer: Viewing, change: dict[str, object]) -> None:
    asked = {"run": RUN, "image": IMAGE, "picture": "mean", "regions": "0,0,50,0,50"}
    reply = viewer.ask("threshold", **(asked | change))
    assert reply.status == 400
    assert "\n" not in reply.json["error"]


def test_regions_of_one_request_are_one_picture_after_the_other(viewer: Viewing) -> None:
    asked = {"run": RUN, "image": IMAGE, "picture": "mean"}
    regions = ["0,0,50,0,30", "0,17,91,5,60"]
    alone = [viewer.ask("threshold", regions=r, **asked).content for r in regions]
    assert viewer.ask("threshold", regions=";".join(regions), **asked).content == b"".join(alone)

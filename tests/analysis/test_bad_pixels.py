"""Bad pixels: those that were put in, those of DIALS, and none that are good."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.detector_examples import COLUMN, DEAD, HOT, SHADOW, SHAPE, Example, bad_detector
from support.spot_examples import experiment_for
from support.thresholded import dispersion

from dxdask.analysis import BadPixelParameters, find_bad_pixels
from dxdask.errors import InputError, ParameterError
from dxdask.models import Detector, ExperimentList, Panel
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

Places = dict[tuple[int, int], str]


def find(example: Example, **parameters: Any) -> StepResult:
    return find_bad_pixels(
        [example.frames],
        ExperimentList.of([example.experiment]),
        [example.mask],
        BadPixelParameters.model_validate(parameters),
    )


def found_in(result: StepResult, run: str | None = None) -> Places:
    rows = result.table("pixels").rows
    return {(r["slow"], r["fast"]): r["reason"] for r in rows if run in (None, r["run"])}


def summary(result: StepResult) -> dict[str, dict[str, Any]]:
    return {r["run"]: dict(r) for r in result.table("summary").rows}


@pytest.mark.parametrize("seed", range(4))
def test_all_bad_pixels_are_found_and_no_good_one(seed: int) -> None:
    example = bad_detector(seed=seed)
    result = find(example)
    assert found_in(result) == example.truth
    expected = example.mask.copy()
    expected[*np.transpose(list(example.truth))] = False
    np.testing.assert_array_equal(result.arrays["mask"], expected[None])
    assert summary(result)["run"] == {
        "run": "run", "n_hot": 5, "n_dead": 5, "n_strong": 24, "n_untrusted": 1, "n_images": 60,
    }  # fmt: skip
    assert "5 dead, 5 hot, 24 strong, 1 untrusted" in result.messages[0]


def test_a_row_holds_the_evidence() -> None:
    example = bad_detector()
    rows = {(r["slow"], r["fast"]): r for r in find(example).table("pixels").rows}
    y, x = HOT[2]
    assert rows[y, x]["value"] == pytest.approx(example.frames[:, y, x].mean())
    assert rows[y, x]["fraction"] == 1.0
    assert rows[y, x]["expected"] < 3 * 60
    y, x = DEAD[2]
    assert rows[y, x]["value"] == 0.0
    assert rows[y, x]["expected"] == pytest.approx(3.0, rel=0.4)
    json.dumps(rows[40, 75])
    assert rows[40, 75]["value"] is None


def test_dead_pixels_need_enough_counts() -> None:
    """A good pixel of 0.15 counts an image is 0 in 60 images at a chance of 1e-4."""
    example = bad_detector(background=0.1)
    zeros = (example.frames == 0).all(axis=0) & example.mask
    zeros[SHADOW] = False
    alone = {p for p, reason in found_in(find(example)).items() if reason == "dead"}
    assert alone < {tuple(p) for p in np.argwhere(zeros).tolist()} | {(70, 15)}
    assert alone <= set(example.truth)
    sure = found_in(find(example, significance=1e6))
    assert len([r for r in sure.values() if r == "dead"]) > len(alone)
    # not significant in one run, significant in twenty
    runs = [bad_detector(background=0.1, seed=s) for s in range(20)]
    experiments = [replace(r.experiment, run=f"run{i}") for i, r in enumerate(runs)]
    joint = find_bad_pixels(
        [r.frames for r in runs], ExperimentList.of(experiments), [r.mask for r in runs]
    )
    dead = {p for p, reason in found_in(joint, "all").items() if reason == "dead"}
    assert dead == {p for p, reason in example.truth.items() if reason == "dead"}


def test_the_rule_of_dials_alone() -> None:
    example = bad_detector()
    algorithm = {"algorithm": "dispersion", "dispersion": {"sigma_strong": 4.0}}
    result = find(example, min_ratio=0.0, min_images=1, threshold=algorithm)
    strong = np.sum(
        [
            dispersion(f, example.mask, trusted_range=(-1, 65535), sigma_strong=4.0)
            for f in example.frames
        ],
        axis=0,
    )
    expected = {tuple(p) for p in np.argwhere(strong >= 30).tolist()}
    rows = result.table("pixels").rows
    assert {
        (r["slow"], r["fast"]) for r in rows if r["fraction"] is not None and r["fraction"] >= 0.5
    } == expected
    # it takes the ring and the edge of the shadow for bad pixels
    assert len(expected) > len(example.truth) + 10


def test_fraction_cluster_fraction_and_min_ratio_have_their_effect() -> None:
    example = bad_detector()
    flickering = {p for p, r in example.truth.items() if r in ("hot", "strong")} - set(HOT)
    steady = found_in(find(example, fraction=0.95))
    assert (80, 70) not in steady
    assert (80, 70) in flickering
    assert set(HOT) <= set(steady)
    # a spot that stays for a third of the images
    spot = found_in(find(example, fraction=0.25, cluster_fraction=0.25))
    assert {p for p in spot if p not in example.truth} <= {
        (y, x) for y in range(44, 52) for x in range(17, 25)
    }
    assert len(spot) > len(example.truth)
    assert found_in(find(example, fraction=0.25)) == example.truth
    few = found_in(find(example, min_ratio=25.0))
    assert (12, 70) not in few
    assert HOT[3] in few


def test_min_images_and_the_choice_of_images() -> None:
    example = bad_detector()
    assert summary(find(example, image_range=[21, 40]))["run"]["n_images"] == 20
    assert summary(find(example, images=[11, 15, 70]))["run"]["n_images"] == 3
    assert summary(find(example, max_images=7))["run"]["n_images"] == 7
    part = find(example, images=list(range(11, 31)))
    cut = replace(example, frames=example.frames[:20],
                  experiment=experiment_for(example.frames[:20], first_image=11))  # fmt: skip
    assert part.table("pixels").rows == find(cut).table("pixels").rows
    few = find(example, image_range=[21, 40], min_images=21)
    assert set(found_in(few).values()) == {"dead", "untrusted"}
    assert "min_images=21" in few.messages[0]


def test_counts_of_a_detector_with_gain_are_less_significant() -> None:
    """A good pixel of 0.1 photons an image is 0 in most images, whatever its counts add up to."""
    example = bad_detector(background=0.1)
    found = []
    for gain in (5.0, 1.0):
        panel = Panel(image_size=SHAPE[::-1], trusted_range=(-1, 5 * 65535), gain=gain)
        experiment = experiment_for(example.frames, panels=(panel,))
        scaled = replace(example, frames=5 * example.frames, experiment=experiment)
        found.append({p for p, r in found_in(find(scaled)).items() if r == "dead"})
    dead = {p for p, r in found_in(find(example)).items() if r == "dead"}
    assert found[0] == dead
    assert len(found[1]) > len(dead)


def test_a_pedestal_makes_no_difference() -> None:
    example = bad_detector(trusted_range=(-1, 65535))
    panel = Panel(image_size=SHAPE[::-1], trusted_range=(99, 65635), pedestal=100.0)
    frames = example.frames + 100
    lifted = replace(
        example, frames=frames, experiment=experiment_for(frames, panels=(panel,), first_image=11)
    )
    assert found_in(find(lifted)) == example.truth


def test_printed_values_are_places_in_the_frame() -> None:
    example = bad_detector(n=30)
    lines = find(example, output={"print_values": True}).messages
    expected = sorted(found_in(find(example)))
    assert list(lines[1:]) == [f"mask: {y} {x} 16" for y, x in expected]
    assert not any(m.startswith("mask:") for m in find(example).messages)


def two_panels(example: Example) -> tuple[NDArray[np.int32], ExperimentList]:
    """Return the example as the lower of two panels, with empty rows between."""
    upper = np.random.default_rng(0).poisson(3.0, (len(example.frames), 10, SHAPE[1]))
    gap = np.full((len(example.frames), 4, SHAPE[1]), -1)
    frames = np.concatenate([upper, gap, example.frames], axis=1).astype(np.int32)
    panels = (
        Panel(image_size=(SHAPE[1], 10), trusted_range=(-1, 65535)),
        Panel(image_size=SHAPE[::-1], offset=(0, 14), trusted_range=(-1, 65535)),
    )
    return frames, ExperimentList.of([experiment_for(frames, panels=panels)])


def test_panels_are_judged_one_by_one() -> None:
    example = bad_detector()
    frames, experiments = two_panels(example)
    mask = np.ones(frames.shape[1:], bool)
    mask[14:] = example.mask
    result = find_bad_pixels([frames], experiments, [mask])
    rows = result.table("pixels").rows
    assert {r["panel"] for r in rows} == {1}
    assert found_in(result) == example.truth
    bad = np.argwhere(mask & ~result.arrays["mask"][0])
    assert {(y - 14, x) for y, x in bad.tolist()} == set(example.truth)


def ensemble(**parameters: Any) -> StepResult:
    """Return the result of three runs, of which the last lacks the hot column."""
    runs = [bad_detector(seed=s) for s in range(3)]
    frames = [r.frames for r in runs]
    frames[2] = frames[2].copy()
    frames[2][:, :24, COLUMN] = frames[2][:, :24, COLUMN - 6]
    experiments = [replace(r.experiment, run=f"run{i}") for i, r in enumerate(runs)]
    return find_bad_pixels(
        frames, ExperimentList.of(experiments), [r.mask for r in runs],
        BadPixelParameters.model_validate(parameters),
    )  # fmt: skip


def test_runs_of_one_detector_decide_together() -> None:
    truth = bad_detector().truth
    without = {p: r for p, r in truth.items() if p[1] != COLUMN}
    joint = ensemble()
    assert list(summary(joint)) == ["run0", "run1", "run2", "all"]
    assert summary(joint)["all"]["n_images"] == 180
    # strong in two thirds of all images, as a spot may be
    assert found_in(joint, "all") == without
    assert (joint.arrays["mask"] == joint.arrays["mask"][0]).all()
    assert found_in(ensemble(cluster_fraction=0.6), "all") == truth
    assert found_in(ensemble(combine="any"), "all") == truth
    assert found_in(ensemble(combine="all"), "all") == without
    each = ensemble(combine="each")
    assert list(summary(each)) == ["run0", "run1", "run2"]
    assert found_in(each, "run1") == truth
    assert found_in(each, "run2") == without
    assert each.arrays["mask"].sum(axis=(1, 2)).tolist() == [
        SHAPE[0] * SHAPE[1] - 1 - n for n in (len(truth), len(truth), len(without))
    ]


def test_other_detectors_are_apart() -> None:
    example = bad_detector(n=30)
    frames, experiments = two_panels(example)
    both = ExperimentList.of([example.experiment, *(replace(e, run="other") for e in experiments)])
    result = find_bad_pixels([example.frames, frames], both)
    assert set(result.arrays) == {"mask_run", "mask_other"}
    assert result.arrays["mask_other"].shape == frames.shape[1:]
    assert list(summary(result)) == ["run", "other"]


def test_images_without_a_trusted_pixel_are_problems() -> None:
    example = bad_detector()
    frames = example.frames.copy()
    frames[7] = 65535
    result = find(replace(example, frames=frames))
    assert found_in(result) == example.truth
    assert [(p["run"], p["image"], p["step"]) for p in result.problems] == [
        ("run", 18, "find_bad_pixels")
    ]
    assert summary(result)["run"]["n_images"] == 59


def test_bad_input_is_reported() -> None:
    example = bad_detector(n=12)
    with pytest.raises(InputError, match="images 11 to 22"):
        find(example, image_range=[1, 12])
    with pytest.raises(InputError, match="images=11,23"):
        find(example, images=[11, 23])
    with pytest.raises(InputError, match="image_range=20,15"):
        find(example, image_range=[20, 15])
    with pytest.raises(ParameterError, match="one of them"):
        find(example, images=[11], image_range=[11, 12])
    with pytest.raises(InputError, match=r"complex64.*floating numbers"):
        find(replace(example, frames=example.frames.astype(np.complex64)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="size of the frames"):
        find(replace(example, mask=example.mask[:20]))


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_floating_frames_have_the_same_bad_pixels(scale: float) -> None:
    example = bad_detector()
    panel = example.experiment.detector.panels[0]
    low, high = panel.trusted_range
    scaled = replace(panel, gain=panel.gain * scale, trusted_range=(low, high * scale))
    experiment = replace(example.experiment, detector=Detector(panels=(scaled,)))
    frames = (example.frames * scale).astype(np.float32)
    changed = replace(example, frames=frames, experiment=experiment)  # type: ignore[arg-type]
    result = find(changed)
    assert found_in(result) == example.truth
    rows = {(r["slow"], r["fast"]): r for r in result.table("pixels").rows}
    y, x = HOT[2]
    assert rows[y, x]["value"] == pytest.approx(frames[:, y, x].mean(), rel=1e-3)


def test_runs_of_integers_and_of_floating_numbers_are_judged_together() -> None:
    example = bad_detector()
    models = [example.experiment, replace(example.experiment, run="other", identifier="other")]
    frames = [example.frames[:30], example.frames[30:].astype(np.float32)]
    scans = [replace(m.scan, image_range=(1, 30)) if m.scan else None for m in models]
    experiments = ExperimentList.of(
        [replace(m, scan=s) for m, s in zip(models, scans, strict=True)]
    )
    result = find_bad_pixels(frames, experiments, [example.mask] * 2)
    whole = find(example)
    every = [r for r in result.table("pixels").rows if r["run"] not in ("run", "other")]
    assert {(r["slow"], r["fast"]): r["reason"] for r in every} == found_in(whole)

"""Masks of whole runs: what is counted, how runs share them, and putting them together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dxdask.errors import InputError
from dxdask.masking import MaskParameters, apply_mask, combined, generate_mask
from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel

PANELS = (
    Panel(image_size=(40, 30), origin=(-2.0, 1.5, -10.0)),
    Panel(image_size=(20, 25), origin=(3.0, 1.5, -10.0), offset=(45, 2)),
)
DETECTOR = Detector(panels=PANELS)
BEAM = Beam(wavelength=1.0)


def runs(*experiments: Experiment) -> ExperimentList:
    return ExperimentList.of(list(experiments))


def experiment(run: str, detector: Detector = DETECTOR, beam: Beam = BEAM) -> Experiment:
    return Experiment(identifier=run, run=run, beam=beam, detector=detector)


def test_the_frame_and_the_counts() -> None:
    parameters = MaskParameters(
        border=2, untrusted=({"panel": 1, "rectangle": (0, 10, 0, 5)},), d_min=5.0
    )
    shape = (32, 70)
    result = generate_mask(runs(experiment("a")), parameters, [shape])
    mask = result.arrays["mask"]
    assert (mask.shape, mask.dtype) == ((1, *shape), np.bool_)
    assert not mask[0][DETECTOR.panel_map(shape) < 0].any()
    first, second = result.table("masks").rows
    assert first["n_border"] == 40 * 30 - 36 * 26
    assert (first["n_untrusted"], second["n_untrusted"]) == (0, 50)
    assert first["n_resolution"] > 0
    assert first["n_ice_rings"] == 0
    for row, panel in zip((first, second), PANELS, strict=True):
        good = mask[0][panel.slices]
        assert row["n_masked"] == (~good).sum()
        assert row["percent"] == pytest.approx(100 * (~good).mean())
    n = first["n_masked"] + second["n_masked"]
    assert result.messages == (f"Masked {n} of 1700 pixels in 1 runs",)


def test_runs_of_one_geometry_share_a_mask_whatever_their_transmission() -> None:
    weak, short = replace(BEAM, transmission=0.1), replace(BEAM, wavelength=0.5)
    members = runs(experiment("a"), experiment("b", beam=weak), experiment("c", beam=short))
    mask = generate_mask(members, MaskParameters(d_min=4.0)).arrays["mask"]
    assert mask.shape == (3, 30, 65)
    np.testing.assert_array_equal(mask[0], mask[1])
    assert mask[2].sum() < mask[0].sum()
    same = generate_mask(runs(*(experiment(x) for x in "abc")), MaskParameters(border=1))
    assert same.arrays["mask"].strides[0] == 0


def test_runs_of_other_detectors_have_masks_of_their_own() -> None:
    small = Detector(panels=(Panel(image_size=(8, 6)),))
    result = generate_mask(runs(experiment("a"), experiment("b", small)), MaskParameters(border=1))
    assert {k: v.shape for k, v in result.arrays.items()} == {
        "mask_a": (30, 65), "mask_b": (6, 8),
    }  # fmt: skip
    assert result.arrays["mask_b"].sum() == 6 * 4
    assert [row["run"] for row in result.table("masks").rows] == ["a", "a", "b"]


def test_frames_too_small_are_refused() -> None:
    with pytest.raises(InputError, match=r"frames of a are \(10, 10\)"):
        generate_mask(runs(experiment("a")), MaskParameters(), [(10, 10)])


def test_applying() -> None:
    imported, mask = np.ones((30, 65), bool), np.ones((30, 65), bool)
    imported[0, :4] = False
    mask[:2, 2:5] = False
    mask[:, 42] = False  # between the panels
    result = apply_mask(runs(experiment("a")), {"a": imported}, {"a": mask}, ["x.npy", "y"])
    (row,) = result.table("masks").rows
    assert (row["n_imported"], row["n_applied"], row["n_masked"]) == (4, 6, 8)
    assert row["percent"] == pytest.approx(100 * 8 / 1700)
    assert "x.npy, y" in result.messages[0]
    np.testing.assert_array_equal(result.arrays["a"], mask)
    none = apply_mask(runs(experiment("a")), {"a": imported}, {})
    assert none.arrays == {}
    assert none.messages[0].startswith("No mask is applied")
    with pytest.raises(InputError, match=r"mask for run a is \(3, 3\)"):
        apply_mask(runs(experiment("a")), {"a": imported}, {"a": np.ones((3, 3), bool)})


@given(st.lists(hnp.arrays(np.bool_, (4, 5)), min_size=1, max_size=4), st.randoms())
def test_masks_are_put_together_in_any_order_and_once(
    masks: list[np.ndarray], random: object
) -> None:
    whole = combined(masks)
    np.testing.assert_array_equal(whole, np.all(masks, axis=0))
    np.testing.assert_array_equal(combined([*masks[::-1], *masks, whole]), whole)

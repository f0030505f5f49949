"""Sums over the spots of painted frames, whose photons are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.painted_stills import SPREAD, WAVELENGTH, Painted, common, painted, panels

from dxdask.columns import Flag, Reflections, check, has_flag
from dxdask.integration.photons import photons_of
from dxdask.integration.stills import StillIntegrationParameters
from dxdask.integration.stills.still import integrate_still
from dxdask.models.pixel_maps import PixelMaps


def _parameters(**summation: object) -> StillIntegrationParameters:
    return StillIntegrationParameters.model_validate({"summation": summation})


def _integrated(
    shot: Painted, mask: NDArray[np.bool_] | None = None, **summation: object
) -> Reflections:
    good = np.ones(shot.frame.shape, np.bool_) if mask is None else mask
    return integrate_still(
        shot.frame, good, shot.a_matrix, WAVELENGTH, common(), SPREAD,
        parameters=_parameters(**summation),
    )  # fmt: skip


def _expected(shot: Painted, table: Reflections) -> NDArray[np.float64]:
    truth = dict(zip(map(tuple, shot.found.hkl.tolist()), shot.photons, strict=True))
    return np.array([truth[tuple(h)] for h in table["hkl"].tolist()])


def _pulls(shots: list[Painted], **summation: object) -> NDArray[np.float64]:
    """Return errors of intensities in their standard deviations."""
    out = []
    for shot in shots:
        table = _integrated(shot, **summation)
        good = has_flag(table, Flag.INTEGRATED_SUM) & ~has_flag(table, Flag.OVERLAPPED_FG)
        expected = _expected(shot, table)
        sigma = np.sqrt(expected + table["background_sum_variance"])
        out.append(((table["intensity_sum"] - expected) / sigma)[good])
    return np.concatenate(out)


@pytest.fixture(scope="module")
def shots() -> list[Painted]:
    """Return painted frames."""
    return [painted(i) for i in range(8)]


def test_photons_are_counted_with_the_errors_that_are_said(shots: list[Painted]) -> None:
    check(_integrated(shots[0]))
    pulls = _pulls(shots)
    assert len(pulls) > 350
    assert abs(pulls.mean()) < 0.15
    assert 0.93 < pulls.std() < 1.12


def test_a_slope_of_the_background_does_not_matter_even_at_the_edge_of_a_bad_area() -> None:
    shot = painted(3, scale=1e-9, background=20.0, slope=0.12)
    mask = np.ones(shot.frame.shape, np.bool_)
    for x, y, p in zip(shot.found.x, shot.found.y, shot.found.panel, strict=True):
        left = int(x) - 5
        mask[int(y) + 200 * p - 12 : int(y) + 200 * p + 13, max(left - 12, 0) : max(left, 0)] = (
            False
        )
    table = _integrated(shot, mask, shadow=0.0)
    good = has_flag(table, Flag.INTEGRATED_SUM)
    lopsided = good & has_flag(table, Flag.BACKGROUND_INCLUDES_BAD_PIXELS)
    assert lopsided.sum() > 20
    pulls = (table["intensity_sum"] / np.sqrt(table["intensity_sum_variance"]))[lopsided]
    assert abs(pulls.mean()) < 3 / np.sqrt(len(pulls))
    # a level background would be off by the slope times how far the pixels are from the spot
    assert pulls.std() < 1.25


def test_spots_nearby_are_not_taken_for_background() -> None:
    shot = painted(1, scale=1.0)
    table = _integrated(shot, shadow=0.0)
    good = np.flatnonzero(has_flag(table, Flag.INTEGRATED_SUM))
    for i in good.tolist():
        p = int(table["panel"][i])
        x, y = int(table["x_cal"][i]) + 6, int(table["y_cal"][i]) + 200 * p
        if x < 300:
            shot.frame[y, x] += 500
    again = _integrated(shot, shadow=0.0)
    change = np.abs(again["background_mean"] - table["background_mean"])[good]
    assert np.quantile(change, 0.9) < 0.1


@pytest.mark.jit
def test_reflections_that_share_pixels_are_flagged() -> None:
    shot = painted(2)
    assert not has_flag(_integrated(shot), Flag.OVERLAPPED_FG).any()
    wide = _integrated(shot, radius=25.0)
    assert has_flag(wide, Flag.OVERLAPPED_FG).any()
    alone = _integrated(shot, radius=25.0, neighbour_partiality=1.0)
    assert not has_flag(alone, Flag.OVERLAPPED_FG).any()


def test_masked_untrusted_and_saturated_pixels_are_flagged() -> None:
    shot = painted(4)
    table = _integrated(shot)
    i, j, k = np.flatnonzero(has_flag(table, Flag.INTEGRATED_SUM))[:3].tolist()
    mask = np.ones(shot.frame.shape, np.bool_)

    def at(row: int) -> tuple[int, int]:
        return int(table["y_cal"][row]) + 200 * int(table["panel"][row]), int(table["x_cal"][row])

    mask[at(i)] = False
    shot.frame[at(j)] = -1000
    shot.frame[at(k)] = 65535
    again = _integrated(shot, mask)
    for row, bit, column in (
        (i, Flag.FOREGROUND_INCLUDES_BAD_PIXELS, "n_invalid"),
        (j, Flag.FOREGROUND_INCLUDES_BAD_PIXELS, "n_invalid"),
        (k, Flag.OVERLOADED, "n_saturated"),
    ):
        assert again["flags"][row] & bit
        assert again["flags"][row] & Flag.FAILED_DURING_SUMMATION
        assert not again["flags"][row] & Flag.INTEGRATED_SUM
        assert again[column][row] == 1
    others = np.ones(len(table["d"]), np.bool_)
    others[[i, j, k]] = False
    unharmed = others & (again["n_background"] == table["n_background"])
    assert unharmed.sum() > 20
    np.testing.assert_array_equal(
        again["intensity_sum"][unharmed], table["intensity_sum"][unharmed]
    )


def test_spots_in_a_shadow_are_flagged_unless_that_is_off() -> None:
    shot = painted(5, background=2.0)
    shot.frame[100:200, 100:300] = 0  # of the first panel
    table = _integrated(shot)
    inside = (table["panel"] == 0) & (table["x_cal"] > 106) & (table["y_cal"] > 106)
    inside &= (table["x_cal"] < 294) & (table["y_cal"] < 194)
    outside = (table["panel"] != 0) | (table["x_cal"] < 90) | (table["y_cal"] < 90)
    summed = has_flag(table, Flag.INTEGRATED_SUM)
    assert inside.sum() > 3
    assert not summed[inside].any()
    whole = (table["n_invalid"] == 0) & outside
    assert np.mean(summed[whole]) > 0.97
    assert has_flag(_integrated(shot, shadow=0.0), Flag.INTEGRATED_SUM)[inside].all()


@pytest.mark.parametrize("by_pixel", [False, True])
@pytest.mark.parametrize(("gain", "pedestal"), [(7.0, 0.0), (3.0, 40.0)])
def test_gain_and_pedestal_give_the_photons(gain: float, pedestal: float, by_pixel: bool) -> None:
    shot = painted(6)
    mask = np.ones(shot.frame.shape, np.bool_)
    plain = _integrated(shot)
    context = common() if by_pixel else common(gain=gain, pedestal=pedestal)
    if by_pixel:
        maps = PixelMaps(*(np.full(mask.shape, v) for v in (gain, pedestal)))
        context = context._replace(pixels=photons_of(panels(), maps).pixels)
    counts = (shot.frame * gain + pedestal).astype(np.int32)
    found = integrate_still(counts, mask, shot.a_matrix, WAVELENGTH, context, SPREAD)
    for name, values in plain.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


def test_frames_of_real_numbers_give_the_same(shots: list[Painted]) -> None:
    shot = shots[0]
    real = Painted(
        shot.frame.astype(np.float32), shot.a_matrix, shot.found, shot.photons, shot.full
    )  # type: ignore[arg-type]
    for name, values in _integrated(shot).items():
        np.testing.assert_array_equal(values, _integrated(real)[name], err_msg=name)


def test_what_is_summed_follows_the_parameters(shots: list[Painted]) -> None:
    plain = _integrated(shots[0])
    wide = _integrated(shots[0], radius=4.0)
    long = _integrated(shots[0], n_sigma=5.0)
    assert np.median(plain["n_foreground"]) < np.median(long["n_foreground"])
    assert np.median(wide["n_foreground"]) > 1.5 * np.median(plain["n_foreground"])
    near = _integrated(shots[0], background_inner=1.0)
    far = _integrated(shots[0], background_outer=3.5)
    assert np.median(near["n_background"]) > np.median(plain["n_background"])
    assert np.median(far["n_background"]) > 1.5 * np.median(plain["n_background"])
    strict = _integrated(shots[0], background_n_sigma=1.0)
    assert strict["background_mean"].mean() < plain["background_mean"].mean()


def test_a_narrow_ellipse_loses_photons(shots: list[Painted]) -> None:
    assert _pulls(shots, radius=0.6, n_sigma=1.0).mean() < -1


def test_borders_of_the_background_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"background_outer=1\.5 must be larger"):
        _parameters(background_inner=1.6, background_outer=1.5)

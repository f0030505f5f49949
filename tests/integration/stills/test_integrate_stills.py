"""Several stills of a block of frames, on painted frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up_stills import CELL, panels
from support.painted_stills import (
    BANDWIDTH,
    D_MIN,
    MOSAICITY,
    SIZE,
    Painted,
    common,
    painted,
    strong_spots,
    table_of,
)

from dxdask.columns import Flag, Reflections, check, has_flag, select
from dxdask.errors import InputError
from dxdask.fate import Fate
from dxdask.integration.stills import StillIntegrationParameters, integrate_stills
from dxdask.integration.stills.block import IntegratedStills, integrate_block
from dxdask.models import Beam, Crystal, Detector, Experiment
from dxdask.prediction.stills.spread import spread_of
from dxdask.still_columns import check_stills

ONE_SHAPE = {"domain_size": SIZE, "half_mosaicity": MOSAICITY}


def _integrated(
    *shots: Painted, spots: Reflections | None = None, **groups: dict[str, object]
) -> IntegratedStills:
    frames = np.stack([s.frame for s in shots])
    return integrate_block(
        frames, 0, table_of(*shots), strong_spots(*shots) if spots is None else spots,
        np.ones(frames.shape[1:], np.bool_), common(),
        StillIntegrationParameters.model_validate(groups),
    )  # fmt: skip


def _shifted() -> Detector:
    """Return panels that all lie 0.3 mm from where they are said to be."""
    base = panels()
    return replace(base, panels=tuple(p.moved(np.eye(3), (0.3, 0.0, 0.0)) for p in base.panels))


def test_tables_have_the_columns_that_are_declared() -> None:
    shots = [painted(0), painted(1)]
    out = _integrated(*shots)
    check(out.reflections)
    check_stills(out.stills)
    assert set(np.unique(out.reflections["z"])) == {0.5, 1.5}
    assert np.all(out.stills["reason"] == Fate.INTEGRATED)
    np.testing.assert_array_equal(out.stills["bandwidth"], [BANDWIDTH] * 2)


def test_a_still_does_not_depend_on_the_others_nor_on_blocks() -> None:
    shots = [painted(i) for i in range(3)]
    whole = _integrated(*shots)
    stills = {n: v[1:] for n, v in table_of(*shots).items()}
    frames = np.stack([s.frame for s in shots[1:]])
    mask = np.ones(frames.shape[1:], np.bool_)
    spots = strong_spots(*shots)
    part = integrate_block(frames, 1, stills, spots, mask, common())
    rows = whole.reflections["z"] > 1
    for name, values in part.reflections.items():
        np.testing.assert_array_equal(values, whole.reflections[name][rows], err_msg=name)
    for name, values in part.stills.items():
        np.testing.assert_array_equal(values, whole.stills[name][1:], err_msg=name)


@pytest.mark.jit
@pytest.mark.parametrize("start", [350.0, 600.0, 1000.0])
def test_the_width_of_reflections_is_found_wherever_it_starts(start: float) -> None:
    found = []
    shots = [painted(i, spread=spread_of(SIZE, 0.0, BANDWIDTH), scale=400.0) for i in range(12)]
    frames = np.stack([s.frame for s in shots])
    stills = table_of(*shots) | {
        "domain_size": np.full(12, start), "half_mosaicity": np.zeros(12)
    }  # fmt: skip
    mask = np.ones(frames.shape[1:], np.bool_)
    out = integrate_block(frames, 0, stills, strong_spots(*shots), mask, common())
    found = out.stills["domain_size"]
    assert np.median(found) == pytest.approx(SIZE, rel=0.1)
    assert np.all((found > 0.5 * SIZE) & (found < 2 * SIZE))


def test_a_width_that_is_given_is_kept() -> None:
    out = _integrated(painted(0), prediction=ONE_SHAPE)
    assert out.stills["domain_size"][0] == SIZE
    assert out.stills["half_mosaicity"][0] == MOSAICITY
    wide = _integrated(painted(0), prediction=ONE_SHAPE | {"n_sigma": 4.5})
    assert wide.reflections["partiality"].min() < 0.02
    assert len(wide.reflections["d"]) > 1.3 * len(out.reflections["d"])
    coloured = _integrated(painted(0), prediction=ONE_SHAPE | {"bandwidth": 0.06})
    assert len(coloured.reflections["d"]) > 1.1 * len(out.reflections["d"])


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [("domain_size", 1.2 * SIZE, "half_mosaicity"), ("half_mosaicity", 0.02, "domain_size")],
)
def test_one_width_that_is_given_is_kept_and_the_other_found(
    name: str, value: float, other: str
) -> None:
    shot = painted(0, scale=400.0)
    stills = table_of(shot) | {
        "domain_size": np.array([SIZE / 3.0]), "half_mosaicity": np.array([3.0 * MOSAICITY])
    }  # fmt: skip
    given = StillIntegrationParameters.model_validate({"prediction": {name: value}})
    mask = np.ones(shot.frame.shape, np.bool_)
    out = integrate_block(shot.frame[None], 0, stills, strong_spots(shot), mask, common(), given)
    assert out.stills[name][0] == value
    assert out.stills[other][0] != stills[other][0]


def test_limits_of_resolution_are_those_of_the_setup() -> None:
    out = _integrated(painted(0))
    assert out.reflections["d"].min() >= common().d_min


def test_spots_of_a_detector_that_is_not_where_it_is_said_to_be_are_followed() -> None:
    shot = painted(0, detector=_shifted(), scale=3000.0)
    truth = {
        (*h, int(p)): v
        for h, p, v in zip(shot.found.hkl.tolist(), shot.found.panel, shot.photons, strict=True)
    }
    ratios = {}
    for follow in (True, False):
        out = _integrated(
            shot, prediction=ONE_SHAPE, summation={"follow_panels": follow}
        ).reflections
        good = np.flatnonzero(has_flag(out, Flag.INTEGRATED_SUM))
        expected = np.array(
            [truth.get((*out["hkl"][i].tolist(), int(out["panel"][i])), 0.0) for i in good]
        )
        seen = expected > 200
        ratios[follow] = np.median(out["intensity_sum"][good][seen] / expected[seen])
    assert ratios[True] == pytest.approx(1.0, abs=0.03)
    assert ratios[False] < 0.8


def test_blanks_and_stills_without_spots_are_no_trouble() -> None:
    shots = [painted(0), painted(1)]
    spots = strong_spots(*shots)
    none = select(spots, np.zeros(len(spots["x"]), np.bool_))
    assert len(_integrated(*shots, spots=none).reflections["d"]) > 50
    frames = np.stack([s.frame for s in shots])
    stills = table_of(*shots) | {"indexed": np.zeros(2, np.bool_)}
    out = integrate_block(frames, 0, stills, spots, np.ones(frames.shape[1:], np.bool_), common())
    assert len(out.reflections["d"]) == 0
    check(out.reflections)
    assert np.all(out.stills["reason"] == Fate.NOT_INDEXED)


def test_a_frame_of_nothing_gives_nothing_but_no_error() -> None:
    shot = replace(painted(0), frame=np.zeros_like(painted(0).frame))
    out = _integrated(shot).reflections
    np.testing.assert_array_equal(out["intensity_sum"], 0)
    assert np.all(out["intensity_sum_variance"][has_flag(out, Flag.INTEGRATED_SUM)] > 0)
    assert np.isfinite(out["intensity_sum_variance"]).all()


def test_what_does_not_belong_together_is_refused() -> None:
    shot = painted(0)
    frames, stills = shot.frame[None], table_of(shot)
    with pytest.raises(InputError, match="must agree in shape"):
        integrate_block(frames, 0, stills, strong_spots(shot), np.ones((3, 3), np.bool_), common())
    mask = np.ones(shot.frame.shape, np.bool_)
    with pytest.raises(InputError, match="frames are of images 5 to 5"):
        integrate_block(frames, 5, stills, strong_spots(shot), mask, common())


def test_the_step_integrates_as_its_blocks_do() -> None:
    shots = [painted(0), painted(1)]
    frames = np.stack([s.frame for s in shots])
    mask, stills, spots = (
        np.ones(frames.shape[1:], np.bool_),
        table_of(*shots),
        strong_spots(*shots),
    )
    run = Experiment(
        identifier="a",
        run="a",
        beam=Beam(wavelength=1.3, polarization_fraction=1.0),
        detector=panels(),
        crystal=Crystal.from_cell(CELL, space_group="P 43 21 2"),
    )
    parameters = StillIntegrationParameters.model_validate({"prediction": {"d_min": D_MIN}})
    result = integrate_stills(frames, mask, run, stills, spots, parameters)
    expected = _integrated(*shots)
    assert len(result.reflections["d"]) > 100
    for found, other in (
        (result.reflections, expected.reflections),
        (result.arrays, expected.stills),
    ):
        assert set(found) == set(other)
        for name, values in other.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
    with pytest.raises(InputError, match="no crystal"):
        integrate_stills(frames, mask, replace(run, crystal=None), stills, spots)

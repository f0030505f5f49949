"""Equal models of runs are shared, and what differs beside their geometry is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.refinement_cases import centroids, disturbed, truth

from dxdask.models import Experiment, ExperimentList
from dxdask.models.sharing import share_equal, with_geometry_of
from dxdask.refinement import RefinementParameters, refine

STATIC = {"scan_varying": False}


def runs(n: int = 3, *, moved: int | None = None) -> ExperimentList:
    """Return runs with equal models, apart from transmissions, trusted ranges, scanned angles."""
    first = truth()[0]
    made = []
    for k in range(n):
        detector = first.detector
        if k == moved:
            panels = tuple(p.moved(np.eye(3), (0.0, 0.0, 0.01)) for p in detector.panels)
            detector = replace(detector, panels=panels)
        panels = tuple(replace(p, trusted_range=(-1.0, 1000.0 + k)) for p in detector.panels)
        gonio = first.goniometer
        angles = tuple(30.0 * k if i == gonio.scan_axis else a for i, a in enumerate(gonio.angles))
        e = replace(
            first, identifier=f"run{k}", run=f"run{k}", goniometer=replace(gonio, angles=angles),
            beam=replace(first.beam, transmission=0.1 * (k + 1)),
            detector=replace(detector, panels=panels),
        )  # fmt: skip
        made.append(e)
    return ExperimentList.of(made)


def own_values(experiments: ExperimentList) -> list[tuple[float, float]]:
    return [(e.beam.transmission, e.detector[0].trusted_range[1]) for e in experiments]


def test_equal_models_are_one() -> None:
    shared = share_equal(runs())
    counts = (len(shared.detectors), len(shared.beams), len(shared.goniometers))
    assert counts == (1, 1, 1)


@pytest.mark.parametrize(
    ("apart", "kept"), [("detector", "detectors"), ("beam", "beams"), ("goniometer", "goniometers")]
)
def test_each_run_has_its_own_where_wanted(apart: str, kept: str) -> None:
    shared = share_equal(runs(), **{apart: False})
    for name in ("detectors", "beams", "goniometers"):
        assert len(getattr(shared, name)) == (3 if name == kept else 1)


def test_detectors_in_other_places_stay_apart() -> None:
    shared = share_equal(runs(moved=1))
    assert len(shared.detectors) == 2
    assert [m.detector for m in shared.members] == [0, 1, 0]


def test_other_values_come_back() -> None:
    before = runs()
    back = with_geometry_of(share_equal(before), before)
    assert own_values(back) == own_values(before)
    for a, b in zip(back, before, strict=True):
        assert a == b


@pytest.mark.jit
def test_equal_detectors_are_refined_once() -> None:
    before = runs()
    start = disturbed(before)
    # all detectors are disturbed alike
    start = replace(
        start,
        detectors=tuple(
            replace(
                d,
                panels=tuple(
                    replace(p, origin=q.origin, fast_axis=q.fast_axis, slow_axis=q.slow_axis)
                    for p, q in zip(d.panels, start.detectors[0].panels, strict=True)
                ),
            )
            for d in start.detectors
        ),
        beams=tuple(replace(b, direction=start.beams[0].direction) for b in start.beams),
    )
    table = centroids(before, d_min=6.0, sigma=0.1)
    result = refine(table, start, RefinementParameters.model_validate({"parameterisation": STATIC}))
    assert own_values(result.experiments) == own_values(before)
    places = {e.detector[0].origin for e in result.experiments}
    assert len(places) == 1
    assert "3 runs share 1 detector" in " ".join(result.messages)
    each = {"parameterisation": STATIC, "sharing": {"detector": "each", "beam": "each"}}
    apart = refine(table, start, RefinementParameters.model_validate(each))
    assert len({e.detector[0].origin for e in apart.experiments}) == 3
    assert own_values(apart.experiments) == own_values(before)


@pytest.mark.jit
def test_a_run_without_a_crystal_changes_only_with_what_it_shares() -> None:
    before = runs(2, moved=1)
    lone: Experiment = replace(before[1], crystal=None)
    start = ExperimentList.of([before[0], lone])
    table = centroids(ExperimentList.of([before[0]]), d_min=6.0, sigma=0.1)
    result = refine(table, start, RefinementParameters.model_validate({"parameterisation": STATIC}))
    first, second = result.experiments
    assert second.detector == lone.detector
    assert second.beam.direction == first.beam.direction != lone.beam.direction
    assert second.beam.transmission == lone.beam.transmission


def test_models_of_a_list_apart_are_not_shared_with_it() -> None:
    list_ = ExperimentList.of([runs(1)[0]])
    other = list_.apart()
    assert other == list_
    assert len(ExperimentList.of([list_[0], other[0]]).detectors) == 2
    assert len(ExperimentList.of([other[0], other[0]]).detectors) == 1

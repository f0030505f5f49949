"""Models of the step `integrate`: shared as refined, and none that no run has."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from support.painted_frames import experiment

from dxdask.models import ExperimentList
from dxdask.pipeline.declaration import CombineInputs
from dxdask.pipeline.steps.integrate import combine
from dxdask.results import StepResult


def test_crystals_that_vary_take_the_place_of_those_refined() -> None:
    one = experiment()
    other = replace(one, identifier="b", run="b")
    refined = ExperimentList.of([one, other])
    assert len(refined.crystals) == 1
    assert one.scan is not None
    assert one.crystal is not None
    points = (one.crystal.a,) * (one.scan.n_images + 1)
    varying = replace(one.crystal, scan_points=points)

    def integrated(*found: object) -> list[StepResult]:
        return [StepResult(experiments=ExperimentList.of([e]), reflections={}) for e in found]

    def models(*found: object) -> ExperimentList:
        inputs = CombineInputs(
            results=integrated(*found),
            needs={"refine": SimpleNamespace(experiments=lambda: refined)},
            parameters=SimpleNamespace(),
            read_arrays=lambda run, names: {},
        )
        return combine(inputs).experiments

    same = models(one, other)
    assert len(same.crystals) == len(same.detectors) == 1
    both = models(replace(one, crystal=varying), replace(other, crystal=replace(varying)))
    assert len(both.crystals) == 2
    assert all(m.crystal is not None for m in both.members)
    assert all(e.crystal is not None and e.crystal.scan_points is not None for e in both)
    assert len(both.detectors) == 1

"""Models of one experiment, or their average, given to all experiments of a set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.errors import InputError, ParameterError
from dxdask.models import ExperimentList
from dxdask.models.vectors import matrix
from dxdask.pipeline.experiments.models import average_detector, with_references
from dxdask.pipeline.experiments.parameters import ReferenceFromExperiment
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


def test_models_of_one_experiment_or_the_average_are_given_to_all(
    processed: Store, tmp_path: Path
) -> None:
    first = dxdask.combine_experiments([processed], tmp_path / "a.zarr", detector=1, beam=1,
                                       compare_models=False)  # fmt: skip
    models = first.experiments("refine")
    assert len(models.detectors) == 1
    assert models.detectors[0] == processed.experiments("refine")[1].detector
    second = processed.run_experiment("tiny_2").beam
    for run in processed.runs:  # each with the transmission of its own
        own = processed.run_experiment(run).beam.transmission
        assert first.run_experiment(run).beam == replace(second, transmission=own)
    mean = dxdask.combine_experiments(
        [processed], tmp_path / "b.zarr", average_detector=True, compare_models=False
    )
    (detector,) = mean.experiments("refine").detectors
    expected = [e.detector[0].origin for e in processed.experiments("refine")]
    every = list(dict.fromkeys(expected))
    np.testing.assert_allclose(detector[0].origin, np.mean(every, axis=0), atol=1e-12)
    assert abs(np.dot(detector[0].fast_axis, detector[0].slow_axis)) < 1e-12
    with pytest.raises(ParameterError, match="numbered 0 to 2"):
        dxdask.combine_experiments([processed], tmp_path / "c.zarr", detector=7)


def test_models_along_a_scan_are_static_in_scans_of_other_lengths(processed: Store) -> None:
    first, second, *_ = processed.experiments("refine")
    assert first.crystal is not None
    assert second.scan is not None
    n = second.scan.n_images
    points = tuple(matrix(first.crystal.a * (1 + 1e-4 * i)) for i in range(n + 1))
    varying = replace(first, crystal=replace(first.crystal, scan_points=points))
    shorter = replace(
        second,
        scan=replace(second.scan, image_range=(1, n - 1), angles=(), oscillation=(0.0, 0.5)),
    )
    given = ReferenceFromExperiment(crystal=0)
    new = with_references(ExperimentList.of([varying, second, shorter]), given)
    assert new[0].crystal == new[1].crystal == varying.crystal
    assert new[2].crystal == first.crystal


def test_the_average_of_a_detector_with_itself_is_itself(processed: Store) -> None:
    detector = processed.run_experiment("tiny_1").detector
    mean = average_detector((detector, detector))
    for p, q in zip(detector.panels, mean.panels, strict=True):
        np.testing.assert_allclose(q.axes, p.axes, atol=1e-14)


def test_a_model_that_differs_is_not_replaced(tmp_path: Path, processed: Store) -> None:
    moved = processed.experiments("integrate")
    far = replace(moved.detectors[0], panels=tuple(
        replace(p, origin=(p.origin[0], p.origin[1], p.origin[2] + 3.0))
        for p in moved.detectors[0].panels))  # fmt: skip
    parts = dxdask.split_experiments(processed, experiments_prefix=str(tmp_path / "p"))
    store = dxdask.open(parts[1].path)
    result = store.read_step("integrate")
    other = ExperimentList.of([replace(e, detector=far) for e in result.experiments])
    store.write_step("integrate", replace(result, experiments=other), parameters={}, fingerprint="")
    with pytest.raises(InputError, match=r"detector of run tiny_\d differs .*compare_models=false"):
        dxdask.combine_experiments(
            parts, tmp_path / "c.zarr", reference_from_experiment={"detector": 0}
        )

"""Changes of predictions by the models, beside those of predictions by displaced models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.refinement_cases import centroids, truth

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.models import Crystal, Experiment, ExperimentList
from dxdask.models.vectors import matrix, rotation_matrix, vector
from dxdask.refinement.modules.model_changes import changes_of_sweep
from dxdask.refinement.predict import predict

H = 1e-6  # strain, rad; mm in the shifts


def sweep(*, varies: bool) -> tuple[Experiment, Reflections]:
    experiments = truth("P 21 21 21", n_panels=2)
    table = centroids(experiments, d_min=4.0)
    experiment = experiments[0]
    table["z"] = experiment.scan.z_from_phi(table["phi_rad"])
    if varies:
        crystal = experiment.crystal
        points = [
            matrix(rotation_matrix((1.0, 2.0, 3.0), 1e-5 * i) @ crystal.a)
            for i in range(experiment.scan.n_images + 1)
        ]
        experiment = replace(experiment, crystal=replace(crystal, scan_points=tuple(points)))
    return experiment, table


def of_crystal(change: Callable[[float], Floats]) -> Callable[[Experiment, float], Experiment]:
    def changed(e: Experiment, h: float) -> Experiment:
        points = e.crystal.scan_points
        new = [change(h) @ np.asarray(a) for a in (e.crystal.a_matrix, *(points or ()))]
        crystal = Crystal(
            a_matrix=matrix(new[0]),
            scan_points=None if points is None else tuple(map(matrix, new[1:])),
        )
        return replace(e, crystal=crystal)

    return changed


def of_beam(axis: Floats) -> Callable[[Experiment, float], Experiment]:
    def changed(e: Experiment, h: float) -> Experiment:
        direction = rotation_matrix(axis, h) @ np.asarray(e.beam.direction)
        return replace(e, beam=replace(e.beam, direction=vector(direction)))

    return changed


def of_detector(k: int) -> Callable[[Experiment, float], Experiment]:
    def changed(e: Experiment, h: float) -> Experiment:
        shift = h * np.eye(3)[k] if k < 3 else np.zeros(3)
        turn = rotation_matrix(np.eye(3)[k - 3], h) if k > 2 else np.eye(3)
        panels = tuple(p.moved(turn, shift, about=np.zeros(3)) for p in e.detector.panels)
        return replace(e, detector=replace(e.detector, panels=panels))

    return changed


def unit(k: int) -> Callable[[float], Floats]:
    return lambda h: np.eye(3) + h * np.eye(9)[k].reshape(3, 3)


CHANGES = {
    **{f"A_{k}": of_crystal(unit(k)) for k in range(9)},
    "beam_x": of_beam(np.array([1.0, 0, 0])),
    "beam_y": of_beam(np.array([0, 1.0, 0])),
    **{f"move_{k}": of_detector(k) for k in range(6)},
}


@pytest.mark.parametrize("varies", [False, True], ids=["static", "varying"])
@pytest.mark.parametrize("name", CHANGES)
def test_each_displaced_model_is_a_sum_of_the_changes(name: str, varies: bool) -> None:
    experiment, table = sweep(varies=varies)

    def predicted(h: float) -> Floats:
        models = ExperimentList.of([CHANGES[name](experiment, h)])
        out = predict(table, models)
        return np.stack([out[c] for c in ("x_cal", "y_cal", "z_cal")], axis=1)

    wanted = (predicted(H) - predicted(-H)).reshape(-1)
    changes = changes_of_sweep(table, experiment)
    assert changes.shape == (len(table["panel"]), 3, 17)
    assert np.isfinite(changes).all()
    columns = changes.reshape(-1, 17)
    fitted, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    # parallax, which the gradients leave out, changes with the obliquity
    assert np.linalg.norm(columns @ fitted - wanted) < 1e-3 * np.linalg.norm(wanted)
    assert np.linalg.norm(wanted) > 1e-5


def test_reflections_without_prediction_are_nan() -> None:
    experiment, table = sweep(varies=False)
    table = {**table, "hkl": table["hkl"].copy()}
    table["hkl"][0] = 200, 200, 200
    changes = changes_of_sweep(table, experiment)
    assert np.isnan(changes[0]).all()
    assert np.isfinite(changes[1:]).all()

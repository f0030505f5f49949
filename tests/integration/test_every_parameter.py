"""Every parameter of `integrate` changes its results; none is ignored."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.painted_frames import Painted, experiment, paint
from support.painted_spots import strong_spots

from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.lattices import predict_lattices, sweep_models
from dxdask.models import Detector, ExperimentList
from dxdask.models.count_rate import CountRate
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.parameters import Parameters
from dxdask.pipeline.steps import integrate as step

pytestmark = pytest.mark.jit
SIMPLE = {"background.algorithm": "simple"}
PLANE = {**SIMPLE, "background.simple.model.algorithm": "linear2d"}
GMODEL = {"background.algorithm": "gmodel"}
LEARNT = {"profile.algorithm": "learnt"}


def outliers(kind: str) -> dict[str, Any]:
    return {**(PLANE if kind == "plane" else SIMPLE), "background.simple.outlier.algorithm": kind}


# parameter: those it is changed beside, and its value
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "prediction.d_min": ({}, 5.0),
    "prediction.d_max": ({}, 8.0),
    "prediction.padding": ({}, 0.0),
    "prediction.force_static": ({}, True),
    "prediction.exclude_absences": ({}, True),
    "profile.algorithm": ({}, "learnt"),
    "profile.learnt.scan_step": (LEARNT, 1.5),
    "profile.learnt.half": (LEARNT, 4.0),
    "profile.learnt.n": (LEARNT, 21),
    "profile.fitting": ({}, False),
    "profile.valid_foreground_threshold": ({}, 1.0),
    "profile.sigma_b": ({}, 0.2),
    "profile.sigma_m": ({}, 0.3),
    "profile.rlp_radius": ({}, 1e-3),
    "profile.n_sigma": ({}, 4.0),
    "profile.min_zeta": ({}, 0.3),
    "profile.min_spots": ({"profile.sigma_b": 0.13, "profile.sigma_m": 0.15}, 10**6),
    "background.algorithm": ({}, "simple"),
    "background.glm.model.algorithm": ({}, "loglinear2d"),
    "background.glm.robust.tuning_constant": ({}, 4.0),
    "background.glm.robust.tolerance": ({}, 0.5),
    "background.glm.robust.max_iter": ({}, 1),
    "background.glm.min_pixels": ({}, 10**5),
    "background.simple.outlier.algorithm": (SIMPLE, "nsigma"),
    "background.simple.outlier.nsigma.lower": (outliers("nsigma"), 1.0),
    "background.simple.outlier.nsigma.upper": (outliers("nsigma"), 1.0),
    "background.simple.outlier.truncated.lower": (outliers("truncated"), 0.2),
    "background.simple.outlier.truncated.upper": (outliers("truncated"), 0.2),
    "background.simple.outlier.tukey.lower": (outliers("tukey"), 0.2),
    "background.simple.outlier.tukey.upper": (outliers("tukey"), 0.2),
    "background.simple.outlier.plane.n_sigma": (outliers("plane"), 1.0),
    "background.simple.model.algorithm": (SIMPLE, "linear3d"),
    "background.simple.min_pixels": (SIMPLE, 10**5),
    "background.gmodel.window": (GMODEL, 5),
    "background.gmodel.robust.tuning_constant": (GMODEL, 4.0),
    "background.gmodel.robust.tolerance": (GMODEL, 0.5),
    "background.gmodel.robust.max_iter": (GMODEL, 1),
    "background.gmodel.min_pixels": (GMODEL, 10**5),
    "corrections.lorentz": ({}, False),
    "corrections.polarisation": ({}, False),
    "corrections.absorption": ({}, False),
    "corrections.count_rate": ({}, False),
    "corrections.dead_time": ({}, 3e-6),
    "corrections.air": ({}, True),
    "corrections.window": ({}, "Al:0.1"),
}
# parameters of which another test shows it
ELSEWHERE = {
    "detector_response": "test_every_parameter.py",
    "crystal.scan_varying": "test_setting.py",
    "profile.scan_varying": "test_scan_varying_widths.py",
}


def names(model: type[Parameters], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Parameters):
            yield from names(kind, f"{before}{name}.")
        else:
            yield before + name


def parameters(values: dict[str, Any]) -> IntegrationParameters:
    out: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        at = out
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = value
    return IntegrationParameters.model_validate(out)


@cache
def painted() -> Painted:
    """Return a crystal that turns, a background that slopes, hot and masked pixels, dead time."""
    cell = (30.0, 34.0, 38.0, 90.0, 90.0, 90.0)
    e = experiment(cell=cell, space_group="P 21 21 21", n_sigma=3.0, n_images=12)
    panels = [replace(p, count_rate=CountRate(dead_time=1e-6)) for p in e.detector.panels]
    parts = np.linspace(-1.0, 1.0, 13)
    points = [rotation_matrix((0.3, -0.5, 0.8), np.deg2rad(0.1) * p) @ e.crystal.a for p in parts]
    e = replace(
        e,
        detector=Detector(panels=tuple(panels)),
        scan=replace(e.scan, exposure_times=(0.1,)),
        crystal=replace(e.crystal, scan_points=tuple(matrix(a) for a in points)),
    )
    slope = np.tile(3.0 * np.exp(np.linspace(-0.5, 0.5, 300)), (280, 1))
    p = paint(e, mean=800.0, background=slope)
    rng = np.random.default_rng(4)
    frames, mask = p.frames.copy(), p.mask.copy()
    frames[rng.uniform(size=frames.shape) < 0.01] += 20
    mask[rng.uniform(size=mask.shape) < 0.004] = False
    return replace(p, frames=frames, mask=mask)


@cache
def integrated(values: tuple[tuple[str, Any], ...]) -> dict[str, int]:
    """Return a checksum of each column, with parameters of these values, as the step has them."""
    p, given = painted(), parameters(dict(values))
    table, arrays = strong_spots(p)
    assert len(table["flags"]) > 50
    rows = [np.flatnonzero(p.predicted["phi_cal_rad"] == v)[0] for v in table["phi_cal_rad"]]
    for n in ("x", "y", "z"):
        table[n] = table[f"{n}_cal"] = p.predicted[f"{n}_cal"][rows]
        table[f"{n}_variance"] = np.full(len(rows), 0.01)
    alone = ExperimentList.of([replace(p.experiment, profile=None)])
    models = sweep_models(table, arrays, alone, given)
    r = integrate(
        p.frames, p.mask, models.experiments[0], predict_lattices(models, given), given,
        local=models.local,
    ).reflections  # fmt: skip
    return {name: zlib.crc32(np.ascontiguousarray(v).tobytes()) for name, v in r.items()}


@pytest.mark.parametrize("name", CASES)
def test_it_changes_the_results(name):
    beside, value = CASES[name]
    before = integrated(tuple(beside.items()))
    after = integrated((*beside.items(), (name, value)))
    assert before != after


def test_the_same_parameters_give_the_same_results():
    integrated.cache_clear()
    first = integrated(())
    integrated.cache_clear()
    assert integrated(()) == first


def test_every_parameter_is_here():
    assert sorted(names(IntegrationParameters)) == sorted([*CASES, *ELSEWHERE])


@pytest.mark.parametrize(("name", "file"), ELSEWHERE.items())
def test_others_are_named_in_their_test(name, file):
    assert name.split(".")[-1] in Path(__file__).with_name(file).read_text()


@pytest.mark.parametrize(("value", "used"), [("auto", True), ("none", False)])
def test_the_response_of_the_detector_is_used_unless_it_is_not_asked_for(value, used):
    given = SimpleNamespace(integration=parameters({"detector_response": value}))
    run = SimpleNamespace(name="run1")
    inputs = SimpleNamespace(results={"calibrate_detector": object()}, parameters=given, run=run)
    assert (step._lazy_response(inputs) is not None) == used

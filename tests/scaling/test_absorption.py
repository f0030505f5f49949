"""Absorption is corrected where it is known, and not invented where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from support.absorbing_crystal import absorbing_crystal, path

from dxdask.models.vectors import rotation_matrix
from dxdask.scaling import ScalingParameters, scale
from dxdask.scaling.absorption_surface import absorption_surface
from dxdask.scaling.harmonics import mean_harmonics, n_harmonics
from dxdask.scaling.variables import variables_of

pytestmark = pytest.mark.jit


def scale_errors(true: np.ndarray, found: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Relative errors (n,) of scales, but for the overall scale and B that nothing determines."""
    design = np.column_stack([np.ones(len(d)), 0.5 / d**2])
    log = np.log(found / true)
    return log - design @ np.linalg.lstsq(design, log, rcond=None)[0]


def given(**physical: object) -> ScalingParameters:
    return ScalingParameters.model_validate({"physical": physical})


@pytest.mark.parametrize("seed", [2, 3])
def test_absorption_of_thirty_per_cent_is_corrected_to_one(seed: int) -> None:
    data, transmission = absorbing_crystal(mu=0.42, seed=seed)
    low, high = np.percentile(transmission, [1, 99])
    assert high / low > 1.3
    errors = {}
    for level in ("auto", "none"):
        result = scale(data.reflections, data.experiments, given(absorption=level))
        d = data.reflections["d"]
        found = scale_errors(data.scale, result.reflections["scale"], d)
        errors[level] = found.std()
        if level == "auto":
            assert np.percentile(np.abs(found), 98) < 0.01
    assert errors["auto"] < 0.004
    assert errors["none"] > 4 * errors["auto"]


def test_the_absorption_surface_is_that_of_the_paths_in_the_crystal() -> None:
    mu = 0.42
    data, _ = absorbing_crystal(mu=mu)
    result = scale(data.reflections, data.experiments, given(absorption="medium"))
    rows = result.table("absorption").rows
    assert [r["run"] for r in rows[:1]] == [data.experiments[0].run]
    data_directions = variables_of(
        data.reflections, slice(None), data.reflections["d"], data.experiments, directions=True
    )
    assert data_directions.scattered is not None
    # where the rays are: elsewhere nothing determines it
    v = -data_directions.scattered[data.reflections["experiment"] == 0][::20]
    surface = absorption_surface(rows, v)[0]
    true = -2 * mu * path(-v)
    assert np.corrcoef(np.log(surface), true)[0, 1] > 0.95
    # what depends on the rotation alone may be in the smooth scale as well
    assert np.log(surface).std() == pytest.approx(true.std(), rel=0.3)


def test_a_surface_of_one_harmonic_is_that_harmonic() -> None:
    rows = [{"experiment": 3, "l": 1, "m": m, "coefficient": 0.1 * (m == 0)} for m in (-1, 0, 1)]
    v = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.6, -0.8]])
    found = absorption_surface(rows, v)
    np.testing.assert_allclose(
        np.log(found[3]), 0.1 * np.sqrt(3 / (4 * np.pi)) * v[:, 2], atol=1e-7
    )
    with pytest.raises(ValueError, match="harmonics"):
        absorption_surface(rows[:2], v)


@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize(
    ("given", "largest"),
    [
        ({}, 0.0015),
        ({"strength": 1000.0, "share": 0.3}, 0.006),
        ({"n_images": 120, "d_min": 4.0}, 0.004),
        ({"symbol": "P 1 2 1", "cell": (40.0, 50.0, 60.0, 90.0, 100.0, 90.0), "d_min": 4.0}, 0.003),
    ],
    ids=["strong", "weak", "short", "monoclinic"],
)
def test_absorption_is_not_invented(given: dict[str, object], largest: float, seed: int) -> None:
    data, _ = absorbing_crystal(mu=0.0, seed=seed, **given)
    result = scale(data.reflections, data.experiments)
    assert "absorption" not in result.messages[2]
    rows = result.table("validation").rows
    assert [row["absorption"] for row in rows] == ["none", "low"]
    assert rows[1]["gain"] < 3.0
    error = scale_errors(data.scale, result.reflections["scale"], data.reflections["d"])
    assert error.std() < largest


def test_a_model_of_one_factor_a_run_has_no_absorption() -> None:
    data, _ = absorbing_crystal(mu=0.22, d_min=5.0)
    parameters = ScalingParameters.model_validate(
        {"model": "KB", "KB": {"decay_correction": False}}
    )
    result = scale(data.reflections, data.experiments, parameters)
    assert "Parameters refined: 2 of scale, in" in " ".join(result.messages)


def test_the_array_model_explains_absorption_too() -> None:
    data, _ = absorbing_crystal(mu=0.42)
    errors = {}
    for model in ("array", "KB"):
        result = scale(data.reflections, data.experiments, ScalingParameters(model=model))
        d = data.reflections["d"]
        errors[model] = scale_errors(data.scale, result.reflections["scale"], d).std()
    assert errors["array"] < 0.9 * errors["KB"]


def test_harmonics_are_orthonormal() -> None:
    n = 4000  # a spiral of equal areas
    z = 1.0 - (2.0 * np.arange(n) + 1.0) / n
    phi = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(n)
    r = np.sqrt(1.0 - z**2)
    v = np.column_stack([r * np.cos(phi), r * np.sin(phi), z])
    y = mean_harmonics(v, v, 6).astype(float)
    assert y.shape == (n, n_harmonics(6))
    np.testing.assert_allclose(y.T @ y * 4 * np.pi / n, np.eye(y.shape[1]), atol=2e-3)


def test_scattered_rays_are_those_of_the_crystal_rotated_in_the_laboratory() -> None:
    data, _ = absorbing_crystal(mu=0.0, d_min=6.0)
    table = data.reflections
    rows = np.arange(0, len(table["d"]), 100)
    v = variables_of(table, rows, table["d"][rows], data.experiments, directions=True)
    assert v.incident is not None
    assert v.scattered is not None
    for k, row in enumerate(rows):
        e = data.experiments[int(table["experiment"][row])]
        angle = float(e.scan.phi_from_z(table["z_cal"][row]))
        rotation = rotation_matrix(e.goniometer.rotation_axis_datum, angle)
        s0 = np.asarray(e.beam.s0) * e.beam.wavelength
        np.testing.assert_allclose(rotation @ v.incident[k], s0, atol=1e-12)
        s1 = v.incident[k] + e.beam.wavelength * (e.crystal.b @ table["hkl"][row])
        np.testing.assert_allclose(v.scattered[k], s1 / np.linalg.norm(s1))


def test_levels_have_their_orders_and_restraints() -> None:
    data, _ = absorbing_crystal(mu=0.42)
    counts, errors = [], []
    for level in ("none", "low", "medium", "high"):
        result = scale(data.reflections, data.experiments, given(absorption=level))
        counts.append(result.messages[2].partition(" of decay, ")[2].partition(" of absorption")[0])
        found = scale_errors(data.scale, result.reflections["scale"], data.reflections["d"])
        errors.append(found.std())
    # two sweeps, orders 1 to 4, 6 and 6
    assert counts[1:] == ["48", "96", "96"]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] > 1.2 * errors[3]

"""Amplitudes against exact integration, known priors, and bad intensities."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from scipy.integrate import quad

from dxdask.models.symmetry import epsilon, is_centric, possible_reflections
from dxdask.truncation import french_wilson, truncation_of
from dxdask.truncation.prior import invariant_tensors, reciprocal_vectors


def exact(i: float, sigma: float, mean: float, centric: bool) -> tuple[float, float]:
    """Integrate over the amplitude, prior times likelihood as they are defined."""

    def density(f: float, power: int) -> float:
        j = f * f
        prior = np.exp(-j / (2 * mean)) if centric else f * np.exp(-j / mean)
        return f**power * prior * np.exp(-((i - j) ** 2 - min(i, 0) ** 2) / (2 * sigma**2))

    peak = np.sqrt(max(i, 0.0))
    top = np.sqrt(max(i, 0.0) + 12 * sigma)
    norm, first, second = (
        quad(density, 0, top, args=(p,), points=[peak, top / 2], limit=500, epsabs=0)[0]
        for p in range(3)
    )
    return first / norm, np.sqrt(second / norm - (first / norm) ** 2)


@pytest.mark.parametrize("centric", [False, True])
@pytest.mark.parametrize("ratio", [-3.99, -3.5, -1.0, 0.0, 0.7, 2.0, 3.3, 6.0, 20.0, 39.5, 60.0])
@pytest.mark.parametrize("mean", [0.3, 1.0, 5.0, 200.0])
def test_amplitudes_are_those_of_exact_integration(
    ratio: float, mean: float, centric: bool
) -> None:
    sigma = 2.0
    f, s = french_wilson(
        np.array([ratio * sigma]), np.array([sigma]), np.array([mean * sigma]), np.array([centric])
    )
    expected = exact(ratio * sigma, sigma, mean * sigma, centric)
    assert f[0] == pytest.approx(expected[0], rel=1e-3)
    assert s[0] == pytest.approx(expected[1], rel=2e-3)


@pytest.mark.parametrize("ratio", [-3.99, -3.5, -1.0, 0.0, 0.7, 2.0, 6.0, 60.0])
def test_a_flat_prior_is_that_of_exact_integration(ratio: float) -> None:
    """All positive intensities as likely: the posterior is a normal distribution cut at zero."""
    cell, group = gemmi.UnitCell(40, 50, 60, 90, 90, 90), gemmi.SpaceGroup("P 21 21 21")
    hkl = np.array([[1, 2, 3], [0, 2, 2], [5, 5, 5]], dtype=np.int32)
    sigma = 3.0
    intensity = np.array([ratio * sigma, ratio * sigma, 1000.0])
    found = truncation_of(
        hkl, intensity, np.full(3, sigma), cell=cell, group=group, min_reflections=4
    )
    assert found is not None
    assert found.prior is None
    f, f_sigma = found.amplitudes(intensity, np.full(3, sigma))

    def density(j: float, power: float) -> float:
        return j**power * np.exp(-((j - intensity[0]) ** 2 - min(intensity[0], 0) ** 2) / (2 * 9))

    top = max(intensity[0], 0) + 12 * sigma
    points = [max(intensity[0], 0.01), top / 3]
    norm, mean, square = (
        quad(density, 0, top, args=(p,), points=points, limit=500)[0] for p in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(f[:2], mean / norm, rtol=1e-3)
    np.testing.assert_allclose(f_sigma[:2], np.sqrt(square / norm - (mean / norm) ** 2), rtol=5e-3)


def test_a_very_negative_intensity_has_no_amplitude() -> None:
    f, s = french_wilson(
        np.array([-9000.0, -1.0, np.nan, 4.0]),
        np.array([10.0, 1.0, 1.0, 0.0]),
        np.full(4, 100.0),
        np.zeros(4, dtype=bool),
    )
    np.testing.assert_array_equal(np.isfinite(f), [False, True, False, False])
    np.testing.assert_array_equal(np.isfinite(s), [False, True, False, False])
    assert 0 < f[1] < 1


def test_the_anisotropic_prior_is_found() -> None:
    cell, group = gemmi.UnitCell(40, 50, 60, 90, 90, 90), gemmi.SpaceGroup("P 21 21 21")
    hkl = possible_reflections(cell, group, d_min=2.5)
    rng = np.random.default_rng(3)
    centric, eps = is_centric(hkl, group), epsilon(hkl, group)
    s = reciprocal_vectors(hkl, cell)
    u = np.diag([-8.0, 2.0, 6.0])
    mean = eps * 400 * np.exp(-15 * (s**2).sum(axis=1) + np.einsum("ni,ij,nj->n", s, u, s))
    true = mean * np.where(centric, rng.chisquare(1, len(hkl)), rng.exponential(size=len(hkl)))
    sigma = np.full(len(hkl), 20.0)
    measured = true + sigma * rng.standard_normal(len(hkl))
    found = truncation_of(hkl, measured, sigma, cell=cell, group=group)
    assert found is not None
    np.testing.assert_allclose(np.diag(found.prior.anisotropy), np.diag(u), atol=1.2)
    ratio = np.log(found.mean / mean)
    assert abs(np.median(ratio)) < 0.05
    assert np.std(ratio) < 0.15
    f, f_sigma = found.amplitudes(measured, sigma)
    good = np.isfinite(f)
    assert good.mean() > 0.99
    z = (f - np.sqrt(true))[good] / f_sigma[good]
    assert abs(z.mean()) < 0.05
    assert z.std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("symbol", "cell", "n"),
    [
        ("I 21 3", (78, 78, 78, 90, 90, 90), 0),
        ("P 43 21 2", (79, 79, 38, 90, 90, 90), 1),
        ("H 3", (90, 90, 50, 90, 90, 120), 1),
        ("P 21 21 21", (40, 50, 60, 90, 90, 90), 2),
        ("P 1 21 1", (40, 50, 60, 90, 105, 90), 3),
        ("P 1", (40, 50, 60, 80, 95, 105), 5),
    ],
)
def test_tensors_are_invariant(symbol: str, cell: tuple[float, ...], n: int) -> None:
    unit_cell, group = gemmi.UnitCell(*cell), gemmi.SpaceGroup(symbol)
    tensors = invariant_tensors(unit_cell, group)
    assert len(tensors) == n
    hkl = np.array([[1, 2, 3], [4, -1, 2]], dtype=np.int32)
    for op in group.operations().sym_ops:
        moved = np.array([op.apply_to_hkl(h) for h in hkl.tolist()], dtype=np.int32)
        for t in tensors:
            a, b = (reciprocal_vectors(x, unit_cell) for x in (hkl, moved))
            np.testing.assert_allclose(
                np.einsum("ni,ij,nj->n", a, t, a), np.einsum("ni,ij,nj->n", b, t, b), atol=1e-12
            )


def test_without_any_signal_there_is_no_prior() -> None:
    cell, group = gemmi.UnitCell(40, 50, 60, 90, 90, 90), gemmi.SpaceGroup("P 21 21 21")
    hkl = np.array([[1, 2, 3], [2, 2, 3]], dtype=np.int32)
    for value in (-1.0, 0.0):
        assert truncation_of(hkl, np.full(2, value), np.ones(2), cell=cell, group=group) is None
    one = truncation_of(hkl[:1], np.array([5.0]), np.ones(1), cell=cell, group=group)
    assert one is not None
    assert one.amplitudes(np.array([5.0]), np.ones(1))[0] == pytest.approx(np.sqrt(5), rel=0.1)

"""Likelihoods of symmetry elements and of Laue groups, by their formulas and beside DIALS."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import scipy
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials

from dxdask.symmetry.correlations import Correlation, Merged, expected_correlation, sd_factor
from dxdask.symmetry.likelihood import ElementScore, element_score, group_scores, lorentzian
from dxdask.symmetry.operators import IDENTITY, Rotation, elements, subgroups

TWOFOLDS: tuple[Rotation, ...] = (
    (1, 0, 0, 0, -1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, -1, 0, 0, 0, 1),
)  # fmt: skip
LATTICE = frozenset([IDENTITY, *TWOFOLDS])


def scores_of(*cc: float) -> dict[Rotation, ElementScore]:
    return {
        w: element_score(w, Correlation(cc=c, n=500), 0.95, 1.0)
        for w, c in zip(TWOFOLDS, cc, strict=True)
    }


@pytest.mark.parametrize(("centre", "width"), [(0.0, 0.1), (0.97, 0.1), (0.5, 0.4)])
def test_a_lorentzian_is_a_density_from_minus_one_to_one(centre: float, width: float) -> None:
    area, _ = scipy.integrate.quad(
        lambda cc: float(lorentzian(cc, centre, width)), -1.0, 1.0, points=[centre]
    )
    assert area == pytest.approx(1.0, abs=1e-6)


def test_an_absent_element_has_any_correlation() -> None:
    cc, sd = 0.4, 0.1
    weight = lambda m: float(np.sqrt(1.0 - m**2))  # noqa: E731
    density = lambda m: float(lorentzian(cc, m, sd)) * weight(m)  # noqa: E731
    absent = scipy.integrate.quad(density, 0, 1)[0] / scipy.integrate.quad(weight, 0, 1)[0]
    score = element_score(TWOFOLDS[0], Correlation(cc=cc, n=10_000), 0.9, 1.0)
    assert score.sd == sd
    assert score.p_absent == pytest.approx(absent, rel=1e-4)
    assert score.p_present == pytest.approx(float(lorentzian(cc, 0.9, sd)))
    assert score.likelihood == pytest.approx(score.p_present / (score.p_present + absent), rel=1e-4)


def test_few_pairs_say_nothing() -> None:
    for found in (Correlation(cc=0.9, n=2), Correlation(cc=None, n=0)):
        score = element_score(TWOFOLDS[0], found, 0.9, 1.0)
        assert score.likelihood == 0.5
        assert score.cc is None
    # the fewer pairs, the less one correlation says
    few, many = (element_score(TWOFOLDS[0], Correlation(cc=0.95, n=n), 0.95, 1.0) for n in (8, 80))
    assert 0.5 < few.likelihood < many.likelihood


def test_the_group_of_the_elements_that_correlate_is_the_most_likely() -> None:
    groups = subgroups(LATTICE)
    for present in product((False, True), repeat=3):
        if sum(present) == 2:
            continue
        ranked = group_scores(groups, scores_of(*(0.95 if p else 0.05 for p in present)))
        mine = set(elements(ranked[0].rotations))
        assert mine == {w for w, p in zip(TWOFOLDS, present, strict=True) if p}
        assert sum(s.likelihood for s in ranked) == pytest.approx(1.0)
        assert ranked[0].confidence > 0.7
        one, following = ranked[0].likelihood, ranked[1].likelihood
        assert ranked[0].confidence == pytest.approx(np.sqrt(one * (one - following)))


def test_a_likelihood_is_the_product_over_all_elements() -> None:
    scores = scores_of(0.9, 0.3, 0.1)
    found = {s.rotations: s.likelihood for s in group_scores(subgroups(LATTICE), scores)}
    expected = {
        g: np.prod([s.p_present if w in g else s.p_absent for w, s in scores.items()])
        for g in found
    }
    total = sum(expected.values())
    for group, value in expected.items():
        assert found[group] == pytest.approx(value / total)


def test_of_equally_likely_groups_the_smallest_is_first() -> None:
    untested = {w: element_score(w, Correlation(cc=None, n=0), 0.9, 1.0) for w in TWOFOLDS}
    ranked = group_scores(subgroups(LATTICE), untested)
    assert ranked[0].rotations == frozenset([IDENTITY])
    assert ranked[0].confidence == 0.0


def test_the_spread_of_the_correlation_of_unrelated_reflections() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    factor = sd_factor(rng.exponential(size=n), np.arange(n), rng.uniform(2.0, 10.0, n))
    # of N independent pairs the standard deviation of a correlation is 1 / sqrt(N - 1)
    sizes = np.arange(5, 200, 10)
    slope = np.polyfit(sizes**-0.5, (sizes - 1.0) ** -0.5, 1)[0]
    assert factor == pytest.approx(slope, abs=0.05)
    assert sd_factor(rng.exponential(size=20), np.arange(20), np.full(20, 3.0)) == 1.0


def test_the_correlation_expected_of_equivalents_is_that_of_repeated_ones() -> None:
    rng = np.random.default_rng(4)
    n, sigma = 50_000, 0.5
    true = rng.exponential(size=n)
    one, other = (true + sigma * rng.standard_normal(n) for _ in range(2))
    merged = Merged(
        keys=np.arange(n), hkl=np.zeros((n, 3), np.int64), crystal=np.zeros(n, np.int64),
        intensity=one, sigma=np.full(n, sigma),
    )  # fmt: skip
    none = Correlation(cc=None, n=0)
    # the variance has the errors already, and they are added once more, as in dials.symmetry
    by_errors = one.var() / (one.var() + sigma**2)
    assert expected_correlation(merged, none, 1.0) == pytest.approx(by_errors)
    mates = Correlation(cc=float(np.corrcoef(one, other)[0, 1]), n=n)
    assert mates.cc is not None
    assert mates.cc < expected_correlation(merged, mates, 1.0) < by_errors
    few = Correlation(cc=0.1, n=10)
    assert expected_correlation(merged, few, 1.0) == pytest.approx(by_errors)


@pytest.mark.dials
@needs_dials
def test_likelihoods_of_elements_are_those_of_dials(tmp_path: Path) -> None:
    cases = list(product((-0.2, 0.1, 0.6, 0.93, 0.99), (9, 60, 4000), (0.8, 0.96)))
    code = f"""
import json
from dials.algorithms.symmetry.laue_group import ScoreCorrelationCoefficient
print(json.dumps([ScoreCorrelationCoefficient(cc, max(0.1, 0.9 / n ** 0.5), mean).p_s_given_cc
                  for cc, n, mean in {cases}]))
"""
    theirs = json.loads(run_dials(str(DIALS_PYTHON), "-c", code, folder=tmp_path).splitlines()[-1])
    ours = [
        element_score(TWOFOLDS[0], Correlation(cc=cc, n=n), mean, 0.9).likelihood
        for cc, n, mean in cases
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)

"""Each parameter of symmetry changes what it is said to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import Reflections
from dxdask.errors import InputError, ParameterError
from dxdask.models import Crystal, ExperimentList
from dxdask.reindex import Reference
from dxdask.results import StepResult
from dxdask.symmetry import SymmetryParameters, symmetry

FLIP = np.diag([1.0, -1.0, -1.0])


def run(crystals: tuple[Reflections, ExperimentList], **given: Any) -> StepResult:
    return symmetry(*crystals, SymmetryParameters(**given))


def said(result: StepResult) -> str:
    return "\n".join(result.messages)


def used(result: StepResult) -> tuple[int, float]:
    """Return the number of reflections used, and their resolution, that a message states."""
    (line,) = [m for m in result.messages if m.endswith("A are used")]
    words = line.split()
    return int(words[0]), float(words[3])


def group(result: StepResult) -> str:
    return str(result.experiments.crystals[0].gemmi_space_group.xhm())


def two_forms(n: int, n_other: int, **of_crystals: Any) -> tuple[Reflections, ExperimentList]:
    """Return wedges of P 4, every third one as it is, and some of another form after them."""
    settings = [FLIP if i % 3 else np.eye(3) for i in range(n)]
    table, models = crystals_of(Truth.of("P 4", seed=1), n=n, settings=settings, **of_crystals)
    if not n_other:
        return table, models
    other, more = crystals_of(Truth.of("P 4", seed=2), n=n_other, seed=7, **of_crystals)
    other["experiment"] = other["experiment"] + np.int32(n)
    joined = {k: np.concatenate([table[k], other[k]]) for k in table}
    return joined, type(models).of([*models, *more])


def fading(cc_half: bool) -> tuple[Reflections, ExperimentList]:
    """Return a crystal of weak intensities beyond 4 A; all indices are measured twice.

    cc_half : whether errors are larger than stated there, which only repetition shows.
    """
    table, models = crystals_of(Truth.of("P 2 2 2", d_min=2.5), keep_axes=True)
    table = {k: np.concatenate([v, v]) for k, v in table.items()}
    spacing = 1.0 / np.linalg.norm(table["hkl"] @ models.crystals[0].a.T, axis=1)
    rng = np.random.default_rng(5)
    weak = spacing < 4.0
    n = int(weak.sum())
    if cc_half:
        shared = np.tile(rng.exponential(size=n // 2), 2)
        table["intensity_sum"][weak] = 200.0 * shared + 300.0 * rng.exponential(size=n)
        table["intensity_sum_variance"][weak] = 100.0
    else:
        shared = np.tile(rng.exponential(size=n // 2), 2)
        table["intensity_sum"][weak] = 20.0 * shared + 10.0 * rng.standard_normal(n) + 10.0
        table["intensity_sum_variance"][weak] = 100.0
    return table, models


def test_d_min() -> None:
    crystals = crystals_of(Truth.of("P 2 2 2"))
    assert used(run(crystals))[1] == pytest.approx(3.0, abs=0.05)
    n, d_min = used(run(crystals, d_min=4.0))
    assert d_min == 4.0
    assert n < used(run(crystals))[0] / 2
    with pytest.raises(InputError, match="leave out d_min"):
        run(crystals, d_min=100.0)


def test_min_i_mean_over_sigma_mean() -> None:
    # twice the counting error is taken: <I>/<sigma> is 1.5 beyond 4 A
    crystals = fading(cc_half=False)
    assert used(run(crystals, min_cc_half=0.0))[1] > 3.8
    assert used(run(crystals, min_cc_half=0.0, min_i_mean_over_sigma_mean=1.0))[1] < 2.6


def test_min_cc_half() -> None:
    crystals = fading(cc_half=True)
    assert used(run(crystals))[1] > 3.8
    assert used(run(crystals, min_cc_half=0.0))[1] < 2.6


@pytest.mark.parametrize("symbol", ["P 2 2 2", "P 1"])
def test_normalisation(symbol: str) -> None:
    # equal cell edges, intensities that fall by direction and by twice along the scan
    truth = Truth.of(symbol, cell=(34.0, 36.0, 38.0, 90.0, 90.0, 90.0), d_min=2.2)
    table, models = crystals_of(truth, keep_axes=True)
    s = table["hkl"] / np.array(truth.cell[:3])
    fall = np.exp(-12.0 * s[:, 2] ** 2)
    for name, power in (("intensity_sum", 1), ("intensity_sum_variance", 2)):
        table[name] = table[name] * fall**power
    moments = {
        name: {r["test"]: r["value"] for r in run((table, models), normalisation=name).table(
            "twinning").rows}["<I^2>/<I>^2"]
        for name in ("None", "quasi", "ml_aniso")
    }  # fmt: skip
    # 2 of acentric reflections; what is left of the fall adds to it
    assert moments["ml_aniso"] == pytest.approx(2.0, abs=0.15)
    assert moments["None"] > moments["quasi"] > moments["ml_aniso"] + 0.05


def test_lattice_symmetry_max_delta() -> None:
    # orthorhombic intensities on a lattice that is off by half a degree
    truth = Truth.of("P 2 2 2")
    table, models = crystals_of(truth, keep_axes=True)
    bent = np.array([[1.0, 0.0, np.sin(np.radians(0.5))], [0, 1, 0], [0, 0, 1]])
    a = tuple(map(tuple, (np.linalg.inv(bent).T @ models.crystals[0].a).tolist()))
    moved = replace(models, crystals=(replace(models.crystals[0], a_matrix=a),))
    assert group(run((table, moved))) == "P 2 2 2"
    assert group(run((table, moved), lattice_symmetry_max_delta=0.1)) == "P 1 2 1"


def test_partiality_threshold() -> None:
    table, models = crystals_of(Truth.of("P 2 2 2", d_min=4.0))
    half = np.arange(len(table["hkl"])) % 2 == 0
    table["partiality"] = np.where(half, 0.3, 1.0)
    assert used(run((table, models)))[0] == int((~half).sum())
    assert used(run((table, models), partiality_threshold=0.2))[0] == len(half)
    with pytest.raises(InputError, match="a partiality of 1"):
        run((table | {"partiality": np.full(len(half), 0.9)}, models), partiality_threshold=1.0)


def test_systematic_absences_check() -> None:
    crystals = crystals_of(Truth.of("P 21 21 21"))
    assert group(run(crystals)) == "P 21 21 21"
    result = run(crystals, systematic_absences={"check": False})
    assert group(result) == "P 2 2 2"
    assert {t.name for t in result.tables} & {"systematic_absences", "space_groups"} == set()


def test_systematic_absences_error() -> None:
    # tails of neighbours give absent reflections 5 % of the mean intensity
    table, models = crystals_of(Truth.of("P 1 21 1", d_min=2.0), keep_axes=True)
    h, k, l = table["hkl"].T
    absent = (h == 0) & (l == 0) & (k % 2 != 0)
    table["intensity_sum"][absent] = 0.05 * table["intensity_sum"].mean()
    table["intensity_sum_variance"][absent] = 0.01
    probability = {
        error: next(
            r["probability"]
            for r in run((table, models), systematic_absences={"error": error})
            .table("systematic_absences").rows if r["screw_axis"] == "21b"
        )
        for error in (0.0, 0.1)
    }  # fmt: skip
    assert probability[0.1] > 0.9 > probability[0.0]


def test_chiral() -> None:
    crystals = crystals_of(Truth.of("P 1 21/c 1", d_min=2.0))
    assert group(run(crystals, chiral=False)) == "P 1 21/c 1"
    assert group(run(crystals)) == "P 1 21 1"


def test_cosym_neighbours() -> None:
    crystals = two_forms(12, 0, width=8.0)
    assert "by 66 pairs" in said(run(crystals))
    few = said(run(crystals, cosym={"neighbours": 4}))
    assert "by 24 pairs" in few
    assert "Laue group 4/m" in few


def test_cosym_min_pairs() -> None:
    crystals = two_forms(12, 4, width=8.0)
    assert [r["form"] for r in run(crystals).table("forms").rows] == [1] * 12 + [2] * 4
    result = run(crystals, cosym={"min_pairs": 1_000_000})
    assert [r["form"] for r in result.table("forms").rows] == [1] * 16
    assert "no two crystals have 1000000 common reflections" in said(result)


def test_cosym_form() -> None:
    table, models = two_forms(12, 4, width=8.0)
    for form, first in ((1, True), (2, False)):
        result = run((table, models), cosym={"form": form})
        kept = np.any(result.reflections["hkl"] != 0, axis=1)
        np.testing.assert_array_equal(kept, (table["experiment"] < 12) == first)
    with pytest.raises(InputError, match="of 2 forms"):
        run((table, models), cosym={"form": 3})


def test_cosym_min_form_cc() -> None:
    # the second form has half of its intensity from the first
    table, models = two_forms(12, 4, width=10.0)
    first = Truth.of("P 4", seed=1)
    later = table["experiment"] >= 12
    table["intensity_sum"][later] *= 0.5
    table["intensity_sum"][later] += 0.5 * first.intensities(table["hkl"][later])
    forms = {
        least: [r["form"] for r in run((table, models), cosym={"min_form_cc": least})
                .table("forms").rows]
        for least in (0.2, 0.9)
    }  # fmt: skip
    assert forms[0.2] == [1] * 16
    assert forms[0.9] == [1] * 12 + [2] * 4


def test_twinning_min_i_over_sigma() -> None:
    crystals = crystals_of(Truth.of("P 2 2 2"))
    assert "no sign of twinning" in said(run(crystals))
    strict = run(crystals, twinning={"min_i_over_sigma": 1000.0})
    assert "too few strong acentric reflections" in said(strict)


def test_twinning_patterson_threshold() -> None:
    truth = Truth.of("P 21 21 21", cell=(50.0, 60.0, 70.0, 90.0, 90.0, 90.0))
    truth.intensity[truth.hkl.sum(axis=1) % 2 == 1] *= 0.2
    crystals = crystals_of(truth, keep_axes=True)
    assert "pseudo-translation by" in said(run(crystals))
    assert "pseudo-translation by" not in said(run(crystals, twinning={"patterson_threshold": 95}))


@pytest.mark.parametrize("known", [None, "P 41"])
def test_reference_and_known_space_group(known: str | None) -> None:
    truth = Truth.of("P 4")
    settings = [FLIP, np.eye(3), FLIP]
    crystals = crystals_of(truth, n=3, width=30.0, settings=settings, keep_axes=True)
    model = Crystal.from_cell(truth.cell, space_group="P 4")
    reference = Reference(crystal=model, hkl=truth.hkl, intensity=truth.intensity, name="mean.mtz")
    parameters = SymmetryParameters(known_space_group=known)
    result = symmetry(*crystals, parameters, reference=reference)
    assert group(result) == (known or "P 4")
    true = truth.intensities(result.reflections["hkl"])
    assert np.corrcoef(true, crystals[0]["intensity_sum"])[0, 1] > 0.99
    # by the lattice alone each crystal keeps the axes that it has
    alone = run(crystals, known_space_group="P 4 2 2")
    np.testing.assert_array_equal(alone.reflections["hkl"], crystals[0]["hkl"])
    with pytest.raises(ParameterError, match="leave one of them out"):
        symmetry(*crystals, SymmetryParameters(known_space_group="P 4 2 2"), reference=reference)


def test_every_parameter_has_a_test() -> None:
    def names(model: type[BaseModel], before: str = "") -> set[str]:
        found = set()
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found |= names(inner, f"{before}{name}_")
            else:
                found.add(f"{before}{name}")
        return found

    # a reference is read by the pipeline, whose tests name experiments and reflections
    own = {n for n in names(SymmetryParameters) if not n.startswith("reference_")}
    tests = " ".join(name for name in globals() if name.startswith("test_"))
    assert [n for n in sorted(own) if n not in tests] == []

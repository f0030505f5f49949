"""The step on many stills: table, counts, cells found by itself, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.made_up_stills import CELL, shots
from support.still_examples import TETRAGONAL, misorientation

from dxdask.columns import Flag, check, has_flag
from dxdask.errors import ConvergenceError, InputError
from dxdask.fate import Fate
from dxdask.geometry.scattering import scattering_of
from dxdask.indexing.stills import KnownCell, StillIndexParameters, index_stills
from dxdask.indexing.stills.index_stills import known_cell, require_hits
from dxdask.indexing.stills.many import index_known
from dxdask.models import ExperimentList
from dxdask.models.crystal import b_matrix
from dxdask.still_columns import check_stills

pytestmark = pytest.mark.jit

KNOWN = {"known_symmetry": {"unit_cell": CELL, "space_group": "P43212"}}


def events(n=6, *, blanks=2, noise_px=0.2, seed=0):
    """Return spots, stills of which the last are blank, and the truth."""
    made = shots(n, noise_px=noise_px, seed=seed, reach=1e-3)
    reflections = {k: v for k, v in made.reflections.items() if k != "hkl"}
    flags = reflections["flags"] & ~np.uint32(Flag.INDEXED)
    reflections["flags"] = flags.astype(np.uint32)
    total = n + blanks
    image = np.arange(total, dtype=np.int32)
    wavelength = np.resize(made.stills["wavelength"], total)
    counts = np.bincount(np.floor(reflections["z"]).astype(int), minlength=total)
    stills = {
        "experiment": np.zeros(total, np.int32), "image": image, "wavelength": wavelength,
        "n_spots": counts.astype(np.int32), "hit": counts >= 16,
        "event_id": image.astype(np.int64) + 100,
    }  # fmt: skip
    return reflections, stills, ExperimentList.of([made.experiment]), made


def right(result, made):
    """Return the number of made-up crystals found within half a degree."""
    good = 0
    for i, u in enumerate(made.true_u):
        a_matrix = result.arrays["a_matrix"][i]
        truth = u @ b_matrix(CELL)
        good += result.arrays["indexed"][i] and misorientation(a_matrix, truth, TETRAGONAL) < 0.5
    return good


def stills_of(result):
    return {k: v for k, v in result.arrays.items() if not k.startswith("additional")}


@pytest.mark.parametrize("values", [KNOWN, {}, {"known_symmetry": {"space_group": "P43212"}}])
def test_all_hits_are_indexed_cell_known_or_not(values):
    reflections, stills, experiments, made = events()
    parameters = StillIndexParameters.model_validate(values)
    result = index_stills(reflections, stills, experiments, parameters)
    assert right(result, made) == 6
    assert result.arrays["indexed"].tolist() == [True] * 6 + [False] * 2
    check(result.reflections)
    table = check_stills(stills_of(result))
    assert table["rmsd_x_px"][:6] == pytest.approx(0.18, abs=0.07)
    median = [np.median(table[name][:6]) for name in ("rmsd_x_px", "rmsd_y_px")]
    assert f"median: {median[0]:.3f}, {median[1]:.3f} px" in " ".join(result.messages)
    assert np.all(np.isnan(table["a_matrix"][6:]))
    assert table["reason"].tolist() == [Fate.INDEXED] * 6 + [Fate.NO_HIT] * 2
    indexed = has_flag(result.reflections, Flag.INDEXED)
    assert table["n_indexed"].sum() == indexed.sum() > 0.97 * len(indexed)
    assert ("consensus" in [t.name for t in result.tables]) == ("unit_cell" not in str(values))
    cell = result.table("cell").rows[0]
    assert (cell["n_crystals"], cell["a"]) == (6, pytest.approx(79.2, abs=0.1))


def test_table_of_stills_is_data():
    reflections, stills, experiments, _ = events(3, blanks=1)
    result = index_stills(
        reflections, stills, experiments, StillIndexParameters.model_validate(KNOWN)
    )
    rows = json.loads(json.dumps(result.table("stills").to_dict()))["rows"]
    assert list(rows[0]) == [
        "run", "image", "event_id", "hit", "indexed", "n_spots", "n_indexed", "cell",
        "rmsd_x_px", "rmsd_y_px", "reason",
    ]  # fmt: skip
    assert rows[0]["image"] == 1
    assert rows[0]["event_id"] == 100
    assert rows[0]["cell"][:3] == pytest.approx(CELL[:3], abs=0.2)
    assert rows[3]["cell"] is None
    assert rows[3]["reason"] == "too few spots for a hit"


def test_stills_do_not_depend_on_each_other():
    reflections, stills, experiments, _ = events(4)
    known = KnownCell.of(CELL, "P43212")
    together = index_known(reflections, stills, experiments, known)
    backwards = {k: v[::-1].copy() for k, v in stills.items()}
    other = index_known(reflections, backwards, experiments, known)
    one = index_known(reflections, {k: v[2:3] for k, v in stills.items()}, experiments, known)
    a_matrix = together.stills["a_matrix"]
    assert np.array_equal(other.stills["a_matrix"][::-1], a_matrix, equal_nan=True)
    assert np.array_equal(one.stills["a_matrix"][0], a_matrix[2])
    of_third = np.floor(reflections["z"]) == 2
    assert np.array_equal(one.reflections["hkl"][of_third], together.reflections["hkl"][of_third])


def test_inputs_are_left_as_they_are():
    reflections, stills, experiments, _ = events(2)
    before = {k: v.copy() for k, v in reflections.items()}, {k: v.copy() for k, v in stills.items()}
    index_stills(reflections, stills, experiments, StillIndexParameters.model_validate(KNOWN))
    for given, kept in zip((reflections, stills), before, strict=True):
        assert list(given) == list(kept)
        assert all(np.array_equal(given[k], kept[k]) for k in kept)


def test_two_runs_with_a_detector_each():
    first = events(3, blanks=0, seed=1)
    second = events(3, blanks=0, seed=2)
    shifted = replace(second[2][0], identifier="b", run="b")
    experiments = ExperimentList.of([first[2][0], shifted])
    joined = []
    for a, b in zip(first[:2], second[:2], strict=True):
        b = {**b, "experiment": np.ones_like(b["experiment"])}
        joined.append({k: np.concatenate([a[k], b[k]]) for k in a})
    parameters = StillIndexParameters.model_validate(KNOWN)
    result = index_stills(*joined, experiments, parameters)
    assert result.arrays["indexed"].all()
    alone = index_stills(*first[:3], parameters)
    assert np.array_equal(result.arrays["a_matrix"][:3], alone.arrays["a_matrix"])
    assert [r["run"] for r in result.table("stills").rows] == [first[2][0].run] * 3 + ["b"] * 3


def test_without_refinement_and_with_limits_of_it():
    reflections, stills, experiments, made = events(3, blanks=0, noise_px=0.5)
    plain = StillIndexParameters.model_validate({**KNOWN, "refine": False})
    result = index_stills(reflections, stills, experiments, plain)
    assert right(result, made) == 3
    assert np.all(np.isnan(result.arrays["rmsd_x_px"]))
    for values in ({"max_rmsd": 0.1}, {"min_spots": 10_000}):
        strict = StillIndexParameters.model_validate({**KNOWN, "refinement": values})
        refused = index_stills(reflections, stills, experiments, strict)
        assert not refused.arrays["indexed"].any()
        assert set(refused.arrays["reason"]) == {Fate.NOT_REFINED}
        assert not has_flag(refused.reflections, Flag.INDEXED).any()
        assert refused.table("cell").rows[0]["a"] is None


def test_additional_lattices_are_kept():
    reflections, stills, experiments, made = events(2, blanks=0)
    merged = {**reflections, "z": np.full_like(reflections["z"], 0.5)}
    parameters = StillIndexParameters.model_validate({**KNOWN, "max_lattices": 2})
    one = {k: v[:1] for k, v in stills.items()}
    result = index_stills(merged, one, experiments, parameters)
    assert result.arrays["additional_still"].tolist() == [0]
    found = [result.arrays["a_matrix"][0], result.arrays["additional_a_matrix"][0]]
    truths = [u @ b_matrix(CELL) for u in made.true_u]
    for truth in truths:
        assert min(misorientation(a, truth, TETRAGONAL) for a in found) < 1.0
    assert any("Additional lattices on the same events: 1" in m for m in result.messages)


def test_no_hits():
    reflections, stills, experiments, _ = events(2)
    stills["hit"][:] = False
    with pytest.raises(InputError, match="none of 4 events is a hit"):
        index_stills(reflections, stills, experiments)


def test_no_consensus():
    reflections, stills, experiments, _ = events(3, blanks=0)
    none = StillIndexParameters.model_validate({"blind": {"max_cell": 30.0}})
    with pytest.raises(ConvergenceError, match=r"no cell on 3 or more"):
        index_stills(reflections, stills, experiments, none)
    wrong = StillIndexParameters.model_validate({
        "known_symmetry": {"space_group": "P6122"}, "consensus": {"min_crystals": 1},
    })  # fmt: skip
    with pytest.raises(ConvergenceError, match="P 61 2 2"):
        index_stills(reflections, stills, experiments, wrong)


def test_wavelength_missing_and_rows_twice():
    reflections, stills, experiments, _ = events(2)
    lost = stills["image"] == 1
    one = {**stills, "wavelength": np.where(lost, np.nan, stills["wavelength"])}
    spots = scattering_of(reflections, one, experiments)
    of_it = np.floor(reflections["z"]) == 1
    assert (spots.still[of_it] == -1).all()
    assert np.isnan(spots.q[of_it]).all()
    assert np.isfinite(spots.q[~of_it]).all()
    known = StillIndexParameters.model_validate(KNOWN)
    result = index_stills(reflections, one, experiments, known)
    assert result.arrays["indexed"].tolist() == (stills["hit"] & ~lost).tolist()
    none = {**stills, "wavelength": np.zeros(len(lost))}
    with pytest.raises(InputError, match="none of the hits has a wavelength"):
        index_stills(reflections, none, experiments, known)
    twice = {**stills, "image": np.zeros_like(stills["image"])}
    with pytest.raises(InputError, match="two rows"):
        scattering_of(reflections, twice, experiments)


def test_wrong_cell_says_so():
    reflections, stills, experiments, _ = events(3, blanks=0)
    values = {"known_symmetry": {"unit_cell": (79.2, 79.2, 76.0, 90, 90, 90)}}
    result = index_stills(
        reflections, stills, experiments, StillIndexParameters.model_validate(values)
    )
    assert not result.arrays["indexed"].any()
    assert set(result.arrays["reason"]) == {Fate.CELL_DIFFERS}


def test_cell_as_text():
    parameters = StillIndexParameters.model_validate(
        {"known_symmetry": {"unit_cell": "79.2,79.2,38,90,90,90", "space_group": 96}}
    )
    assert parameters.known_symmetry.unit_cell == (79.2, 79.2, 38.0, 90.0, 90.0, 90.0)
    assert parameters.known_symmetry.space_group == "P 43 21 2"


def test_a_cell_has_the_symmetry_of_its_group_or_is_refused():
    def cell(unit_cell, group):
        given = {"known_symmetry": {"unit_cell": unit_cell, "space_group": group}}
        return known_cell(StillIndexParameters.model_validate(given)).cell

    assert cell(CELL, "P43212") == tuple(CELL)
    assert cell((50, 60, 70, 91, 100, 89), "P1") == (50, 60, 70, 91, 100, 89)
    nearly = cell((79.0, 79.4, 38.0, 90, 90.3, 90), "P43212")
    assert nearly == pytest.approx((79.2, 79.2, 38.0, 90, 90, 90), abs=0.01)
    with pytest.raises(InputError, match=r"make it 77\.80, 77\.80, 38\.00, 90\.00"):
        cell((79, 79, 38, 90, 90, 80), "P43212")
    with pytest.raises(InputError, match="check the setting of the cell and the group"):
        cell((40, 50, 60, 90, 90, 90), "P41212")


def test_events_without_hits_say_what_became_of_them():
    reasons = np.array([Fate.NO_HIT, Fate.TOO_MANY_STRONG_PIXELS, Fate.NO_HIT], np.int32)
    listed = (
        r"none of 3 events is a hit \(1: too many strong pixels, 2: too few spots for a hit\); "
    )
    with pytest.raises(InputError, match=listed):
        require_hits(0, 3, reasons)

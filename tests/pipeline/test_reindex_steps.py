"""Reindexing in a store: what takes its result, what it makes stale, references of each kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.ensemble_example import QUICK

import dxdask
from dxdask.cli.main import run as run_command
from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError, ParameterError, StoreNotFoundError
from dxdask.models.symmetry import asu_indices, pack
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit
GROUP = gemmi.SpaceGroup("I 21 3")


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "copy.zarr")
    return dxdask.open(tmp_path / "copy.zarr")


def merged(store: Store) -> dict[int, float]:
    found = store.columns("merge", ["hkl", "intensity"])
    return dict(zip(pack(found["hkl"]).tolist(), found["intensity"].tolist(), strict=True))


def test_refine_and_what_follows_take_the_reindexed_spots(store: Store) -> None:
    before, old = merged(store), store.columns("index", ["hkl"])["hkl"]
    dxdask.reindex(store, change_of_basis_op="k,h,-l")
    np.testing.assert_array_equal(
        store.columns("reindex", ["hkl"])["hkl"], old[:, [1, 0, 2]] * [1, 1, -1]
    )
    assert stale_steps(store)["refine"].startswith("reindex of run tiny_1")
    with pytest.raises(InputError, match=r"dxdask refine .*copy\.zarr && dxdask integrate"):
        dxdask.scale(store)
    for name in ("refine", "integrate", "scale", "merge"):
        getattr(dxdask, name)(store)
    assert set(stale_steps(store)) == {"linearity"}
    hkl = store.columns("integrate", ["hkl"])["hkl"]
    inside = has_flag(store.columns("integrate", ["flags"]), Flag.INTEGRATED)
    assert inside.any()
    assert len(hkl) == len(inside)
    after = merged(store)
    moved, _ = asu_indices(store.columns("merge", ["hkl"])["hkl"][:, [1, 0, 2]] * [1, 1, -1], GROUP)
    pairs = [(before[k], after[j]) for k, j in zip(pack(moved).tolist(), after, strict=True)
             if k in before]  # fmt: skip
    assert len(pairs) > 0.95 * len(before)
    x, y = np.array(pairs).T
    # scaling starts at random subsets of rows: the same intensities but for their scale
    assert np.corrcoef(x, y)[0, 1] > 0.999


def test_a_new_index_makes_reindex_stale_and_refine_refuses_it(store: Store) -> None:
    dxdask.reindex(store, change_of_basis_op="k,h,-l")
    dxdask.index(store, **QUICK, hkl_tolerance=0.25)
    assert "index of run" in stale_steps(store)["reindex"]
    with pytest.raises(InputError, match=r"run it again: dxdask reindex .*change_of_basis_op=k,h"):
        dxdask.refine(store)


def test_process_does_not_use_a_reindex_of_what_it_makes_again(
    store: Store, raw: list[Path]
) -> None:
    dxdask.reindex(store, change_of_basis_op="k,h,-l")
    dxdask.process(raw, store.path, **QUICK)
    assert stale_steps(store) == {}
    with pytest.raises(InputError, match=r"reindex in .* from the index that this command makes"):
        dxdask.process(raw, store.path, **QUICK, hkl_tolerance=0.25)


def test_integrated_reflections_onto_the_intensities_of_another_store(
    store: Store, processed: Store, tmp_path: Path
) -> None:
    dxdask.reindex_integrated(store, change_of_basis_op="k,h,-l")
    assert set(stale_steps(store)) == {"scale", "merge"}
    wrong = store.columns("reindex_integrated", ["hkl"])["hkl"]
    out = str(tmp_path / "wrong.expt")
    dxdask.export(store, format="dials", step="reindex_integrated", output=out)
    other = dxdask.import_([out, out.replace(".expt", ".refl")], tmp_path / "other.zarr")
    np.testing.assert_array_equal(other.columns("integrate", ["hkl"])["hkl"], wrong)
    mtz = str(tmp_path / "merged.mtz")
    dxdask.export(processed, output=mtz)
    right = str(tmp_path / "right.expt")
    dxdask.export(processed, format="dials", step="integrate", output=right)
    references = (
        {"reference": {"experiments": str(processed.path)}},
        {"reference": {"reflections": mtz}},
        {"reference": {"experiments": right, "reflections": right.replace(".expt", ".refl")}},
    )
    for reference in references:
        dxdask.reindex_integrated(other, **reference, force=True)
        rows = other.table("reindex_integrated", "operators")
        assert rows["chosen"].tolist() == [True, False]
        assert rows["correlation"][0] > 0.9 > 0.5 > rows["correlation"][1]
    found, _ = asu_indices(other.columns("reindex_integrated", ["hkl"])["hkl"], GROUP)
    expected, _ = asu_indices(processed.columns("integrate", ["hkl"])["hkl"], GROUP)
    np.testing.assert_array_equal(np.sort(pack(found)), np.sort(pack(expected)))
    dxdask.scale(other)
    dxdask.merge(other)
    assert stale_steps(other) == {}


def test_a_solution_of_the_settings(store: Store) -> None:
    with pytest.raises(StoreNotFoundError, match=r"run: dxdask refine_bravais_settings"):
        dxdask.reindex(store, solution=1)
    dxdask.refine_bravais_settings(store)
    table = store.table("refine_bravais_settings", "bravais")
    with pytest.raises(InputError, match=f"solutions 1 to {len(table)}"):
        dxdask.reindex(store, solution=99)
    dxdask.reindex(store, solution=1)
    crystal = store.experiments("reindex").crystals[0]
    assert crystal.space_group == "P 1"
    assert crystal.gemmi_cell.volume == pytest.approx(36.0**3 / 2, rel=0.01)
    assert set(stale_steps(store)) >= {"refine"}
    dxdask.index(store, **QUICK, hkl_tolerance=0.25)
    with pytest.raises(InputError, match=r"refine_bravais_settings in .* other input"):
        dxdask.reindex(store, solution=1)


def test_from_the_command_line(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(store.path)
    assert run_command(["reindex", path, "change_of_basis_op=k,h,-l"]) == 0
    assert "k,h,-l" in capsys.readouterr().out
    assert run_command(["show", path]) == 0
    shown = capsys.readouterr().out
    assert "stale: refine (reindex of run" in shown
    assert f"dxdask refine {path}" in shown
    assert run_command(["reindex", path]) == 2
    assert "reindex needs change_of_basis_op" in capsys.readouterr().err
    assert run_command(["reindex", path, "reference.experiments=nothing.expt"]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_nothing_asked_for_is_wrong_usage(store: Store) -> None:
    with pytest.raises(ParameterError, match="reindex needs"):
        dxdask.reindex(store)


def test_branches_are_reindexed_apart(store: Store) -> None:
    dxdask.reindex(store, change_of_basis_op="k,h,-l", branch="trial")
    assert stale_steps(store) == {}
    assert "refine" in stale_steps(store.on_branch("trial"))

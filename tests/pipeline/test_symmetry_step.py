"""The step `symmetry` in a store: what takes its result, and what it makes stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.cli.main import run as run_command
from dxdask.errors import ParameterError
from dxdask.models.symmetry import is_absent
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "copy.zarr")
    return dxdask.open(tmp_path / "copy.zarr")


def test_scale_and_merge_take_its_reflections(store: Store) -> None:
    result = dxdask.symmetry(store)
    assert result is not None
    assert {"operators", "laue_groups", "space_groups"} <= {
        t.name for t in store.tables("symmetry")
    }
    assert stale_steps(store)["scale"].startswith("symmetry of run")
    dxdask.scale(store)
    dxdask.merge(store)
    assert not {"scale", "merge"} & set(stale_steps(store))
    group = store.experiments("scale").crystals[0].gemmi_space_group
    assert group.number == store.experiments("symmetry").crystals[0].gemmi_space_group.number
    assert not is_absent(store.columns("merge", ["hkl"])["hkl"], group).any()


def test_the_group_of_the_crystals_is_kept_among_those_of_equal_absences(store: Store) -> None:
    assert store.experiments("integrate").crystals[0].space_group == "I 21 3"
    result = dxdask.symmetry(store)
    assert result is not None
    assert store.experiments("symmetry").crystals[0].space_group == "I 21 3"
    messages = "\n".join(store.messages("symmetry"))
    assert "I 2 3 and I 21 3 cannot be told apart by absences; I 21 3 is that" in messages


def test_a_given_group_changes_nothing_but_the_group(store: Store) -> None:
    before = store.columns("integrate", ["hkl"])["hkl"]
    dxdask.symmetry(store, known_space_group="I 2 3")
    np.testing.assert_array_equal(store.columns("symmetry", ["hkl"])["hkl"], before)
    assert store.experiments("symmetry").crystals[0].space_group == "I 2 3"


def test_reindexed_reflections_are_taken(store: Store) -> None:
    dxdask.reindex_integrated(store, change_of_basis_op="k,h,-l")
    dxdask.symmetry(store, known_space_group="I 21 3")
    np.testing.assert_array_equal(
        store.columns("symmetry", ["hkl"])["hkl"],
        store.columns("reindex_integrated", ["hkl"])["hkl"],
    )


def test_a_reference_gives_axes_and_group(store: Store, processed: Store) -> None:
    dxdask.reindex_integrated(store, change_of_basis_op="k,h,-l")
    dxdask.symmetry(store, reference={"experiments": str(processed.path)})
    rows = store.table("symmetry", "operators")
    assert rows["correlation"][0] > 0.9 > 0.5 > rows["correlation"][1]
    reference = {"experiments": str(processed.path)}
    dxdask.symmetry(store, reference=reference, known_space_group="I 2 3")
    assert store.experiments("symmetry").crystals[0].space_group == "I 2 3"
    with pytest.raises(ParameterError, match="other rotations than I 21 3"):
        dxdask.symmetry(store, reference=reference, known_space_group="I 4 3 2")


def test_from_the_command_line(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["symmetry", str(store.path)]) == 0
    assert "Laue group" in capsys.readouterr().out
    assert run_command(["symmetry", str(store.path), "symmetry.d_min=0.1"]) == 0
    assert run_command(["symmetry", str(store.path), "no_such=1"]) == 2

"""Branches: results of other parameters side by side, each with its own writer."""

from __future__ import annotations

import pytest
from support.store_examples import assert_same, frames, result, write_run

from dxdask.errors import InputError, StoreLockedError, StoreNotFoundError
from dxdask.storage.store.store import Store


def test_a_branch_takes_missing_steps_from_main(store: Store) -> None:
    store.write_step("index", result(1))
    store.write_step("refine", result(1))
    other = store.on_branch("tight")
    assert_same(other.read_step("index"), result(1))
    assert store.branches == ("main",)
    other.write_step("index", result(2), fingerprint="f")
    assert store.branches == ("main", "tight")
    assert_same(other.read_step("index"), result(2))
    assert_same(store.read_step("index"), result(1))
    assert_same(other.read_step("refine"), result(1))
    assert list(other.show()["steps"]) == ["index", "refine"]
    assert Store.open(store.path, branch="tight").has_step("index", "f")
    assert not store.has_step("index", "f")
    history = [(e["branch"], e["step"], e["current"]) for e in store.history()]
    assert history == [
        ("main", "index", True), ("main", "refine", True), ("tight", "index", True)
    ]  # fmt: skip


def test_steps_of_a_branch_are_not_on_main(store: Store) -> None:
    store.on_branch("tight").write_step("index", result())
    with pytest.raises(StoreNotFoundError, match="no result of index; run: dxdask index"):
        store.read_step("index")
    with pytest.raises(StoreNotFoundError, match="branch=tight"):
        store.on_branch("tight").read_step("refine")


@pytest.mark.parametrize("name", ["../main", "", ".x", "a/b", "_runs"])
def test_names_of_branches_cannot_leave_the_store(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="a branch cannot be called"):
        store.on_branch(name)
    with pytest.raises(InputError, match="a branch cannot be called"):
        Store.open(store.path, branch=name)


def test_a_branch_is_deleted(store: Store) -> None:
    store.write_step("index", result(1))
    other = store.on_branch("tight")
    other.write_step("index", result(2))
    with pytest.raises(InputError, match="cannot be deleted"):
        store.delete_branch("main")
    with pytest.raises(StoreNotFoundError, match="no branch 'loose'; its branches are main, tight"):
        store.delete_branch("loose")
    with other.writing(), pytest.raises(StoreLockedError, match="branch tight of"):
        store.delete_branch("tight")
    store.delete_branch("tight")
    assert store.branches == ("main",)
    assert_same(other.read_step("index"), result(1))


def test_two_branches_are_written_at_once(store: Store) -> None:
    one, two = store.on_branch("one"), store.on_branch("two")
    with store.writing(), one.writing(), two.writing():
        one.write_step("index", result(1))
        two.write_step("index", result(2))
        with pytest.raises(StoreLockedError, match="branch one of"):
            Store.open(store.path, branch="one").write_step("index", result(3))
    assert_same(one.read_step("index"), result(1))
    assert_same(two.read_step("index"), result(2))


def test_runs_are_made_by_one_writer_of_any_branch(store: Store) -> None:
    one, two = store.on_branch("one"), store.on_branch("two")
    with one.writing(), two.writing():
        write_run(one, "run1", frames())
        with pytest.raises(
            StoreLockedError, match=r"list of runs of .* is being written to by process"
        ):
            write_run(two, "run2", frames())
        two.write_step("index", result())
    write_run(two, "run2", frames())
    assert store.runs == ("run1", "run2")
    with pytest.raises(InputError, match=r"within store\.writing"):
        store.hold_runs()


def test_a_store_with_a_busy_branch_is_not_replaced(store: Store) -> None:
    other = store.on_branch("tight")
    other.write_step("index", result())
    with other.writing(), pytest.raises(StoreLockedError):
        Store.create(store.path, overwrite=True)
    assert_same(other.read_step("index"), result())

"""A step is run again when its input or its parameters have changed, or with `force`; else not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.ensemble_example import QUICK, STEPS

import dxdask
from dxdask.errors import InputError, StoreNotFoundError
from dxdask.pipeline.declaration import Step
from dxdask.pipeline.kinds import Kind
from dxdask.pipeline.staleness import stale_steps
from dxdask.pipeline.steps import steps_of_kind
from dxdask.storage.store.store import Store


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "copy.zarr")
    return dxdask.open(tmp_path / "copy.zarr")


def versions(store: Store) -> dict[str, str]:
    return {name: store.step_attributes(name)["id"] for name in store.show()["steps"]}


def run(store: Store, name: str, **parameters: Any) -> set[str]:
    """Run a step; return the names of those that are new."""
    before = versions(store)
    getattr(dxdask, name)(store, show=dxdask.quiet, **parameters)
    return {n for n, v in versions(store).items() if before.get(n) != v}


def test_the_same_is_not_computed_again(store: Store) -> None:
    shown = []
    assert run(store, "merge") == set()
    dxdask.merge(store, show=lambda _, name: shown.append(name))
    assert shown == ["merge"]
    assert run(store, "merge", force=True) == {"merge"}
    assert len([h for h in store.history() if h["step"] == "merge"]) == 2


def test_a_changed_parameter_runs_that_step_only_and_then_those_after_it(store: Store) -> None:
    assert run(store, "merge", nbins=5) == {"merge"}
    assert len(store.table("merge", "shells")) == 5
    assert run(store, "scale", model="KB") == {"scale"}
    assert run(store, "merge", nbins=5) == {"merge"}
    assert run(store, "merge", nbins=5) == set()


def test_a_step_made_from_other_input_is_refused_by_the_next(store: Store) -> None:
    before = versions(store)
    run(store, "index", **QUICK, hkl_tolerance=0.25)
    with pytest.raises(InputError, match=r"other input.*dxdask calibrate_detector .*copy\.zarr"):
        dxdask.integrate(store)
    run(store, "calibrate_detector")
    with pytest.raises(InputError, match=r"refine in .* other input.*dxdask refine .*copy\.zarr"):
        dxdask.integrate(store)
    with pytest.raises(InputError, match="refine"):
        dxdask.merge(store)
    after = versions(store)
    assert {n for n in after if after[n] != before[n]} == {"index", "calibrate_detector"}
    run(store, "index", **QUICK)  # back to what it was: all that follows fits again
    run(store, "calibrate_detector")
    assert run(store, "merge") == set()


def test_a_new_version_of_a_step_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def newer(kind: Kind) -> tuple[Step, ...]:
        return tuple(
            replace(step, version="999") if step.name == "merge" else step
            for step in steps_of_kind(kind)
        )

    monkeypatch.setattr("dxdask.pipeline.staleness.steps_of_kind", newer)
    assert stale_steps(store)["merge"] == "merge has a new version"


def test_process_repeats_stale_steps(store: Store, raw: list[Path]) -> None:
    before, shown = versions(store), []
    changed = {**QUICK, "min_spot_size": 4}
    dxdask.process(raw, store.path, show=lambda _, name: shown.append(name), **changed)
    assert sorted(shown) == sorted(STEPS)
    assert {n for n, v in versions(store).items() if v != before[n]} == set(STEPS)
    shown.clear()
    before = versions(store)
    dxdask.process(raw, store.path, show=lambda _, name: shown.append(name), **changed)
    assert sorted(shown) == sorted(STEPS)
    assert versions(store) == before


def test_missing_steps_are_named(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(raw[:1], tmp_path / "new.zarr")
    with pytest.raises(StoreNotFoundError, match=r"no complete find_spots; run: dxdask find_spots"):
        dxdask.index(store)
    with pytest.raises(StoreNotFoundError, match=r"no complete scale; run: dxdask scale"):
        dxdask.merge(store)
    with pytest.raises(StoreNotFoundError, match="no store at"):
        dxdask.index(tmp_path / "nowhere.zarr")
    empty = Store.create(tmp_path / "empty.zarr")
    with pytest.raises(StoreNotFoundError, match=r"no complete run; run: dxdask import"):
        dxdask.find_spots(empty)


def test_steps_report_their_seconds(processed: Store) -> None:
    seconds = {n: s["seconds"]["wall"] for n, s in processed.show()["steps"].items()}
    assert all(0 <= s < 600 for s in seconds.values())
    assert seconds["index"] > 0

"""Runs and images chosen, results by run, branches, and results that are stale."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ensemble_example import QUICK
from support.still_runs import events, stills, write_run

import dxdask
from dxdask.cli.main import run as command
from dxdask.errors import ClusterError, DxdaskError, InputError, ParameterError
from dxdask.pipeline import commit
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

PADDING = 2.0
"""Images beyond the scan on which reflections that touch it may be centred."""


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "s.zarr")
    return dxdask.open(tmp_path / "s.zarr")


def versions(store: Store, step: str) -> dict[str, str]:
    return {run: entry.id for run, entry in store.manifest(step).runs.items()}


def test_a_run_more_leaves_the_spots_of_others(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.process(raw[:2], tmp_path / "s.zarr", **QUICK)
    before = versions(store, "find_spots")
    dxdask.process(raw, store.path, **QUICK)
    after = versions(store, "find_spots")
    assert {run: after[run] for run in before} == before
    assert list(after) == ["tiny_1", "tiny_2", "tiny_3"]
    at_once = dxdask.process(raw, tmp_path / "b.zarr", **QUICK)
    for step in ("find_spots", "integrate", "merge"):
        one, other = store.columns(step), at_once.columns(step)
        for name in other:
            np.testing.assert_array_equal(one[name], other[name], err_msg=f"{step}.{name}")


def test_separate_indexing_is_by_run(store: Store) -> None:
    given = {k: v for k, v in QUICK.items() if k != "max_combinations"}
    dxdask.index(store, joint_indexing=False, **given)
    before = versions(store, "index")
    assert len(store.experiments("index").crystals) == 3
    assert store.table("index", "crystals")["run"].tolist() == ["tiny_1", "tiny_2", "tiny_3"]
    assert store.table("index", "crystals")["experiment"].tolist() == [0, 1, 2]
    dxdask.find_spots(store, runs=("tiny_2",), d_min=2.5)
    dxdask.index(store, joint_indexing=False, **given)
    after = versions(store, "index")
    assert {run for run in before if before[run] != after[run]} == {"tiny_2"}


def test_a_run_that_cannot_be_indexed_is_a_problem(store: Store) -> None:
    given = {k: v for k, v in QUICK.items() if k != "max_combinations"}
    dxdask.find_spots(store, runs=("tiny_2",), min_spot_size=500, max_spot_size=1000)
    dxdask.index(store, joint_indexing=False, **given)
    problems = [p for p in store.show("index")["problems"] if p["step"] == "index"]
    assert [p["run"] for p in problems] == ["tiny_2"]
    assert "no spots to index" in problems[0]["reason"]
    assert len(store.experiments("index").crystals) == 2
    dxdask.find_spots(store, min_spot_size=500, max_spot_size=1000)
    with pytest.raises((DxdaskError, ClusterError), match="none of 3 runs could be indexed"):
        dxdask.index(store, joint_indexing=False, **given)


def test_images_are_chosen_once_and_kept_to(store: Store) -> None:
    dxdask.find_spots(store, images=(3, 11))
    z = store.columns("find_spots", ["z"])["z"]
    assert 2.0 <= z.min() < 3.0
    assert 10.0 < z.max() <= 11.0
    scans = [e.scan.image_range for e in store.experiments("find_spots") if e.scan is not None]
    assert scans == [(3, 11)] * 3
    for step in ("index", "calibrate_detector", "refine", "integrate", "scale", "merge"):
        getattr(dxdask, step)(store, **(QUICK if step == "index" else {}))
    z = store.columns("integrate", ["z_cal"])["z_cal"]
    assert z.min() > 2.0 - PADDING
    assert z.max() < 11.0 + PADDING
    assert set(stale_steps(store)) == {"histogram", "linearity"}


def test_images_of_a_later_step(store: Store) -> None:
    whole = store.columns("integrate")
    dxdask.scale(store, images=(4, 9))
    scaled = store.columns("scale", ["z_cal", "hkl"])
    inside = (whole["z_cal"] >= 3.0) & (whole["z_cal"] < 9.0)
    np.testing.assert_array_equal(scaled["hkl"], whole["hkl"][inside])
    dxdask.integrate(store, images=(4, 9))
    z = store.columns("integrate", ["z_cal"])["z_cal"]
    assert 3.0 - PADDING < z.min() < z.max() < 9.0 + PADDING
    with pytest.raises(ParameterError, match=r"images=1,99: tiny_1 has images 1 to 14"):
        dxdask.find_spots(store, images=(1, 99))


def test_integrating_images_gives_the_reflections_of_a_scan_of_these(store: Store) -> None:
    """Spots, index and refinement are of all images; only some are integrated."""
    dxdask.integrate(store, runs=("tiny_3",), images=(4, 9))
    experiment = store.experiments("integrate", run="tiny_3")[0]
    assert experiment.scan is not None
    assert experiment.scan.image_range == (4, 9)
    others = store.experiments("integrate", run="tiny_1")[0]
    assert others.scan is not None
    assert others.scan.image_range == (1, 14)


def test_results_of_other_input_are_stale(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mtz = str(tmp_path / "m.mtz")
    dxdask.merge(store, merging={"d_min": 2.5})
    dxdask.export(store, output=mtz)
    assert stale_steps(store) == {}
    dxdask.index(store, detector={"fix": "distance"}, **QUICK)
    assert list(stale_steps(store)) == [
        "calibrate_detector", "histogram", "refine", "integrate", "linearity", "scale", "merge",
    ]  # fmt: skip
    assert command(["show", str(store.path)]) == 0
    assert "stale: merge (scale is stale)" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"merge in .* was made from other input") as refused:
        dxdask.export(store, output=mtz)
    with pytest.raises(
        InputError,
        match=r"integrate in .*; run it again: dxdask calibrate_detector .* && dxdask refine",
    ):
        dxdask.scale(store)
    # what the message advises works, as it stands
    for words in re.findall(r"dxdask ([^&]+)", str(refused.value).split("run it again: ")[1]):
        assert command(shlex.split(words)) == 0, words
    assert "merge" not in stale_steps(store)
    assert store.manifest("merge").parameters["merging"]["d_min"] == 2.5
    dxdask.export(store, output=mtz)


def test_a_mask_makes_results_of_another_mask_stale(store: Store, tmp_path: Path) -> None:
    mask = store.mask("tiny_2").copy()
    mask[:50] = False
    np.save(tmp_path / "m.npy", mask)
    dxdask.apply_mask(store, runs=("tiny_2",), mask=str(tmp_path / "m.npy"))
    assert "of run tiny_2 changed" in stale_steps(store)["find_spots"]
    before = versions(store, "find_spots")
    dxdask.find_spots(store)
    after = versions(store, "find_spots")
    assert {run for run in before if before[run] != after[run]} == {"tiny_2"}


def test_branches_stand_side_by_side(store: Store, tmp_path: Path) -> None:
    merged = store.columns("merge", ["intensity"])["intensity"]
    dxdask.scale(store, branch="kb", model="KB")
    dxdask.merge(store, branch="kb")
    kb = store.on_branch("kb")
    np.testing.assert_array_equal(store.columns("merge", ["intensity"])["intensity"], merged)
    assert len(kb.columns("merge", ["intensity"])["intensity"]) == len(merged)
    assert not np.array_equal(kb.columns("merge", ["intensity"])["intensity"], merged)
    dxdask.export(store, output=str(tmp_path / "kb.mtz"), branch="kb")
    # main's integration again: the branch, which took it from there, is stale
    dxdask.integrate(store, d_min=2.5)
    assert set(stale_steps(kb)) >= {"scale", "merge"}
    with pytest.raises(InputError, match=r"dxdask scale .* scaling.model=KB branch=kb"):
        dxdask.export(kb, output=str(tmp_path / "kb.mtz"))


def test_sweeps_and_stills_do_not_mix(store: Store, raw: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds sweeps, not stills; .*: dxdask process"):
        dxdask.stills_process(store.path)
    file = write_run(tmp_path / "e.h5", events("x.x").photons)
    with pytest.raises(InputError, match="holds sweeps, not stills"):
        dxdask.stills_process([file], store.path)
    processed = stills(file, tmp_path / "stills.zarr")
    with pytest.raises(InputError, match=r"holds stills, not sweeps; .*: dxdask stills_process"):
        dxdask.process(raw, processed.path, **QUICK)
    with pytest.raises(InputError, match="are sweeps, not stills"):
        dxdask.stills_process(raw, tmp_path / "new.zarr", unit_cell=(1, 1, 1, 90, 90, 90))
    with pytest.raises(ParameterError, match="is a step for sweeps, not for stills"):
        dxdask.refine(processed.path)


def test_runs_done_before_an_error_are_not_done_again(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = dxdask.import_(raw, tmp_path / "s.zarr")
    write, written = commit.write_partition, []

    def failing(*args: Any, **others: Any) -> Any:
        if written:
            raise InputError("no more")
        written.append(others["run"])
        return write(*args, **others)

    monkeypatch.setattr(commit, "write_partition", failing)
    with pytest.raises(InputError, match="no more"):
        dxdask.find_spots(store, cluster="synchronous")
    assert not store.has_step("find_spots")
    done = set(written)
    assert done
    monkeypatch.setattr(
        commit, "write_partition", lambda *a, **k: written.append(k["run"]) or write(*a, **k)
    )
    written.clear()
    dxdask.find_spots(store, cluster="synchronous")
    assert set(written) == {"tiny_1", "tiny_2", "tiny_3"} - done

"""Sums add up to totals; a frame, a spot and a reflection are explained."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.cli.main import run as command
from dxdask.errors import InputError
from dxdask.ledger.frames import frame_rows
from dxdask.storage.store.store import Store


def sums(store: Store, what: str) -> dict[tuple[str, str], int]:
    table = dxdask.ledger(store)
    own = table[table["what"] == what]
    return own.groupby(["fate", "reason"])["n"].sum().to_dict()


@pytest.fixture(params=["processed", "stills_store"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


def test_sums_add_up_to_the_totals(store: Store) -> None:
    table = dxdask.ledger(store)
    total = table.groupby("what")["n"].sum()
    assert total["frame"] == sum(store.frame_reader(r).shape[0] for r in store.runs)
    assert total["spot"] == store.manifest("find_spots").n_reflections
    assert total["reflection"] == store.manifest("integrate").n_reflections
    frames = table[table["what"] == "frame"].groupby("run")["n"].sum()
    assert {r: store.frame_reader(r).shape[0] for r in store.runs} == frames.to_dict()


def test_each_row_agrees_with_the_sums(store: Store) -> None:
    for what in ("frame", "spot", "reflection"):
        each = dxdask.ledger(store, each=what)
        assert each.groupby(["fate", "reason"]).size().to_dict() == sums(store, what)


def test_sums_are_those_of_the_steps(processed: Store) -> None:
    reflections = sums(processed, "reflection")
    assert reflections["merged", ""] == processed.table("merge", "overall")["n_obs"][0]
    own = {reason: n for (fate, reason), n in reflections.items() if fate.startswith("not")}
    theirs = processed.table("scale", "exclusions").set_index("reason")["n"].to_dict()
    theirs.pop("outlier", None)
    found: dict[str, int] = {}
    for (fate, reason), n in reflections.items():
        if fate.startswith("not"):
            found[reason] = found.get(reason, 0) + n
    assert found == theirs, own
    spots = sums(processed, "spot")
    assert spots["used in refinement", ""] == processed.table("refine", "rmsds")["n"].sum()


def test_a_frame_that_failed_has_its_reason(processed: Store, tmp_path: Path) -> None:
    store = Store.open(Path(shutil.copytree(processed.path, tmp_path / "s.zarr")))
    result = store.read_step("find_spots")
    problem = {"run": "tiny_1", "image": 3, "step": "find_spots", "reason": "cannot be read"}
    store.write_step("find_spots", replace(result, problems=(problem,)))
    row = next(r for r in frame_rows(store) if (r["run"], r["image"]) == ("tiny_1", 3))
    assert (row["fate"], row["reason"]) == ("failed", "cannot be read")
    found = dxdask.why(store, "tiny_1", 3)
    assert found.lines[0] == "image 3 of tiny_1: failed: cannot be read"


def test_a_run_without_results_is_not_processed(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(raw[0], tmp_path / "a.zarr")
    assert set(dxdask.ledger(store)["fate"]) == {"not processed"}
    assert dxdask.ledger(store, each="spot").empty


def test_an_empty_store_has_an_empty_ledger(tmp_path: Path) -> None:
    assert dxdask.ledger(Store.create(tmp_path / "e.zarr")).empty


def test_the_observations_of_a_reflection(processed: Store) -> None:
    merged = processed.columns("merge", ["hkl", "n_observations", "intensity"])
    most = int(merged["n_observations"].argmax())
    hkl = merged["hkl"][most].tolist()
    found = {t.name: t for t in dxdask.why(processed, hkl=hkl).tables}
    rows = found["observations"].rows
    assert sum(r["fate"] == "merged" for r in rows) >= merged["n_observations"][most]
    assert found["merged"].rows[0]["intensity"] == merged["intensity"][most]
    table = processed.columns("scale", ["hkl", "intensity_sum"])
    for row in rows:
        assert row["summed"] == table["intensity_sum"][row["row"]]
    # an equivalent has the same observations
    equivalent = [-hkl[0], -hkl[1], hkl[2]]
    again = {t.name: t for t in dxdask.why(processed, hkl=equivalent).tables}
    assert again["observations"].rows == rows


def test_a_reflection_that_was_not_predicted(processed: Store) -> None:
    lines = dxdask.why(processed, hkl=(60, 1, 1)).lines
    assert any("beyond the limit" in line for line in lines)
    lines = dxdask.why(processed, hkl=(1, 1, 1)).lines
    assert any("systematically absent" in line for line in lines)


def test_runs_are_named(processed: Store) -> None:
    """Of observations, of the spots of a frame, and of one spot."""
    strong = processed.columns("merge", ["hkl", "intensity"])
    hkl = tuple(strong["hkl"][np.argmax(strong["intensity"])].tolist())
    every = {t.name: t for t in dxdask.why(processed, hkl=hkl).tables}
    for name in ("spots", "observations"):
        assert every[name].rows
        assert {row["run"] for row in every[name].rows} <= set(processed.runs)
    alone = {t.name: t for t in dxdask.why(processed, hkl=hkl, run="tiny_2").tables}
    assert {row["run"] for row in alone["observations"].rows} == {"tiny_2"}
    each = dxdask.ledger(processed, each="spot")
    assert set(each["run"]) == set(processed.runs)
    z = processed.columns(each["step"][0], ["z"])["z"]
    there = int(((each["run"] == "tiny_2") & (np.floor(z) == 8)).sum())
    frame = {t.name: t for t in dxdask.why(processed, "tiny_2", 9).tables}
    assert there > 10
    assert sum(row["n"] for row in frame["spots"].rows) == there
    row = int(each.index[each["run"] == "tiny_3"][0])
    assert f"spot {row} of tiny_3" in dxdask.why(processed, spot=row).lines[0]


def test_a_spot(processed: Store) -> None:
    each = dxdask.ledger(processed, each="spot")
    row = int(np.flatnonzero(each["fate"] == "used in refinement")[0])
    assert "used in refinement" in dxdask.why(processed, spot=row).lines[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tiny_9", "3"], "no run 'tiny_9'"),
        (["tiny_1", "99"], "its images are 1 to 14"),
        (["tiny_1"], "give the number of an image"),
        (["tiny_1", "x"], "number of an image"),
        (["spot=99999999"], "there is no spot"),
        (["hkl=1,2"], "hkl"),
    ],
)
def test_bad_input(
    processed: Store, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert command(["why", str(processed.path), *words]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().split("\n")) == 1


def test_the_command(processed: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["why", str(processed.path), "tiny_1", "3"]) == 0
    assert "image 3 of tiny_1: integrated" in capsys.readouterr().out
    assert command(["why", str(processed.path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"][0]["rows"]
    assert {r["what"] for r in rows} == {"frame", "spot", "reflection"}


def test_one_of_frame_spot_and_reflection(processed: Store) -> None:
    with pytest.raises(InputError, match="give a run and an image"):
        dxdask.why(processed)
    with pytest.raises(InputError, match="give the run"):
        dxdask.why(processed, image=3)
    with pytest.raises(InputError, match="frame, spot or reflection"):
        dxdask.ledger(processed, each="nothing")

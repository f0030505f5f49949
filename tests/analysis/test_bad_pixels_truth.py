"""The bad pixels that were hidden in the insulin ensemble: all of them, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dxdask


@pytest.mark.shared
@pytest.mark.slow
def test_hidden_pixels_of_the_ensemble(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data/insulin"
    truth = json.loads((folder / "truth.json").read_text())["bad_pixels"]
    hidden = {
        tuple(place): kind
        for kind in ("dead", "hot")
        for place, known in zip(truth[kind], truth[f"{kind}_listed_in_mask"], strict=True)
        if not known
    }
    assert len(hidden) == 43
    store = dxdask.import_(sorted(folder.glob("run*/*.nxs")), tmp_path / "insulin.zarr")
    dxdask.find_bad_pixels(store, show=dxdask.quiet)
    rows = store.table("find_bad_pixels", "pixels").to_dict("records")
    assert {r["run"] for r in rows} == {"all"}
    assert {(r["slow"], r["fast"]): r["reason"] for r in rows} == hidden
    # no run on its own gives a false bad pixel
    dxdask.find_bad_pixels(store, combine="each", show=dxdask.quiet)
    rows = store.table("find_bad_pixels", "pixels").to_dict("records")
    assert {(r["slow"], r["fast"]) for r in rows} <= set(hidden)
    hot = {place for place, kind in hidden.items() if kind == "hot"}
    for run in store.runs:
        assert hot <= {(r["slow"], r["fast"]) for r in rows if r["run"] == run}

"""The step `predict` on a processed store."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from support.ensemble_example import RUNS

import dxdask
from dxdask.prediction import predict_all
from dxdask.storage.store.store import Store


def test_a_store_has_the_predictions_of_its_refined_models(
    processed: Store, tmp_path: Path
) -> None:
    path = tmp_path / "s.zarr"
    shutil.copytree(processed.path, path)
    store = dxdask.open(path)
    dxdask.predict(store, d_min=4.0, padding=0.0)
    refined = store.experiments("refine")
    expected = predict_all(refined, d_min=4.0, padding=0.0)
    found = store.columns("predict")
    assert len(found["d"]) > 100
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    table = store.table("predict", "summary")
    assert list(table["run"]) == list(RUNS)
    assert list(table["n"]) == np.bincount(expected["experiment"]).tolist()
    assert not table["scan_varying"].any()

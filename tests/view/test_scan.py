"""Numbers along a scan, and fates of stills, against the tables of the store."""

from __future__ import annotations

import numpy as np
from support.viewer import Viewing, viewing

from dxdask.columns import Flag, has_flag
from dxdask.fate import Fate
from dxdask.storage.store.store import Store

RUN = "tiny_3"


def test_intensities_are_means_of_what_is_centred_on_the_image(
    viewer: Viewing, processed: Store
) -> None:
    got = viewer.arrays("scan", run=RUN)
    table = processed.columns("integrate", run=RUN)
    good = has_flag(table, Flag.INTEGRATED_PRF)
    image = np.floor(table["z_cal"]).astype(int)
    for i in (0, 6, 13):
        own = good & (image == i)
        assert got["integrated"][i] == own.sum() > 10
        value, sigma = table["intensity_prf"][own], np.sqrt(table["intensity_prf_variance"][own])
        np.testing.assert_allclose(got["intensity"][i], value.mean(), rtol=1e-5)
        np.testing.assert_allclose(got["i_over_sigma"][i], (value / sigma).mean(), rtol=1e-5)
        np.testing.assert_allclose(
            got["background"][i], table["background_mean"][own].mean(), rtol=1e-5
        )
    assert "fate" not in got


def test_stills_have_their_fates_and_events(stills_store: Store) -> None:
    with viewing(stills_store.path) as viewer:
        got = viewer.arrays("scan", run=stills_store.runs[0])
    rows = next(t for t in stills_store.tables("index") if t.name == "stills").rows
    assert got["event_id"].tolist() == [r["event_id"] for r in rows]
    for row, fate in zip(rows, got["fate"].tolist(), strict=True):
        assert (fate >= Fate.INDEXED) == bool(row["indexed"])
        if not row["indexed"]:
            assert got["fates"][str(fate)] == row["reason"]

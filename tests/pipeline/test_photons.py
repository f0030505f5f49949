"""Photons are the same through all steps, whatever gain and pedestal the counts have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from support.ensemble_example import QUICK, small

import dxdask
from dxdask.errors import InputError
from dxdask.pipeline.lookup import maps_of, maps_of_find_spots
from dxdask.simulation import simulate
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.store.store import Store

GAIN, PEDESTAL = 4.0, 300.0


def test_maps_are_those_of_find_spots(tmp_path: Path) -> None:
    """Of the same command, or of the step in the store; a file that changed is another input."""
    gain, pedestal = np.full((6, 8), 3.0), np.full((6, 8), 20.0)
    np.save(tmp_path / "gain.npy", gain)
    np.save(tmp_path / "pedestal.npy", pedestal)
    named = {"gain_map": tmp_path / "gain.npy", "pedestal_map": tmp_path / "pedestal.npy"}
    spotfinder = SpotfinderParameters.model_validate({"lookup": named})
    run = SimpleNamespace(name="run", shape=(2, 6, 8))
    recorded = {"spotfinder": spotfinder.model_dump(mode="json")}
    store = SimpleNamespace(
        has_step=lambda _: True, manifest=lambda _: SimpleNamespace(parameters=recorded)
    )
    here = maps_of_find_spots(store, [run], SimpleNamespace(spotfinder=spotfinder))
    before = maps_of_find_spots(store, [run], SimpleNamespace())
    for found in (here, before):
        np.testing.assert_array_equal(maps_of(found).gain, gain)
        np.testing.assert_array_equal(maps_of(found).pedestal, pedestal)
        assert set(found.contents) == {"lookup.gain_map", "lookup.pedestal_map"}
    assert here.contents == before.contents
    np.save(tmp_path / "gain.npy", gain + 1.0)
    assert maps_of_find_spots(store, [run], SimpleNamespace()).contents != before.contents
    empty = SimpleNamespace(has_step=lambda _: False)
    assert not maps_of(maps_of_find_spots(empty, [run], SimpleNamespace())).are_given
    np.save(tmp_path / "pedestal.npy", np.full((6, 8), np.nan))
    with pytest.raises(InputError, match=r"pedestal_map=.* has 48 pedestals that are not finite"):
        maps_of_find_spots(store, [run], SimpleNamespace())


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("clean")
    (file,) = write_simulation(folder, simulate(small(transmissions=(1.0,))))
    return file, process(file, folder / "s.zarr")


def process(file: Path, store: Path, **given: object) -> Store:
    dxdask.process([file], store, **QUICK, **given, show=dxdask.quiet)
    return Store.open(store, mode="r")


def with_counts(file: Path, to: Path, dtype: type) -> Path:
    """Write a copy of an NXmx file with counts of another gain and pedestal."""
    with h5py.File(file) as old, h5py.File(to, "w") as new:
        for name in old:
            old.copy(name, new)
        counts = (old["/entry/data/data"][()] * GAIN + PEDESTAL).astype(dtype)
        del new["/entry/data/data"]
        new["/entry/data/data"] = counts
        saturation = "/entry/instrument/detector/saturation_value"
        top = float(old[saturation][()]) * GAIN + PEDESTAL
        del new[saturation]
        new[saturation] = top
    return to


@pytest.mark.slow
@pytest.mark.jit
@pytest.mark.parametrize("by_pixel", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_all_results_are_of_photons(
    clean: tuple[Path, Store], tmp_path: Path, dtype: type, by_pixel: bool
) -> None:
    file, right = clean
    counts = with_counts(file, tmp_path / "counts.nxs", dtype)
    if by_pixel:
        shape = h5py.File(counts)["/entry/data/data"].shape[1:]
        np.save(tmp_path / "gain.npy", np.full(shape, GAIN))
        np.save(tmp_path / "pedestal.npy", np.full(shape, PEDESTAL))
        given = {"lookup": {f"{n}_map": tmp_path / f"{n}.npy" for n in ("gain", "pedestal")}}
    else:
        panels = [{"id": i, "gain": GAIN, "pedestal": PEDESTAL} for i in range(2)]
        given = {"geometry": {"detector": {"panel": panels}}}
    found = process(counts, tmp_path / "s.zarr", **given)
    spots = found.columns("find_spots"), right.columns("find_spots")
    np.testing.assert_allclose(spots[0]["intensity_sum"], spots[1]["intensity_sum"])
    for step, names in (
        ("integrate", ("background_mean", "intensity_sum", "intensity_prf")),
        ("merge", ("intensity", "sigma")),
    ):
        a, b = found.columns(step), right.columns(step)
        np.testing.assert_array_equal(a["hkl"], b["hkl"])
        for name in names:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-6, atol=1e-6, err_msg=name)

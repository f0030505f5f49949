"""Results of other programs in a store: committed as steps, and steps that go on from them."""

from __future__ import annotations

import json
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.paths import shared_folder
from support.processed_files import XDS_HEADER, reflections, write_job, xds_text

import dxdask
from dxdask.columns import Flag
from dxdask.errors import DxdaskError, FormatError, InputError, ParameterError
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

LAST = {
    "find_spots": ["find_spots"],
    "index": ["find_spots", "index"],
    "refine": ["find_spots", "index", "refine"],
    "integrate": ["integrate"],
    "scale": ["integrate", "scale"],
}


def steps(store: Store) -> list[str]:
    return list(store.show()["steps"])


@pytest.mark.parametrize("step", LAST)
def test_a_table_is_the_result_of_its_step_and_of_those_before(tmp_path: Path, step: str) -> None:
    store = dxdask.import_(write_job(tmp_path, step), tmp_path / "s.zarr")
    assert steps(store) == LAST[step]
    assert store.frame_reader("lyso").shape == (40, 1000, 1000)
    found, given = store.read_step(step).reflections, reflections(step)
    for name in ("hkl", "z", "intensity_sum", "intensity_prf", "scale", "intensity"):
        if name in given and (name != "intensity_prf" or step != "find_spots"):
            np.testing.assert_allclose(found[name], given[name], rtol=1e-12)
    assert stale_steps(store) == {}
    entry = store.history()[-1]
    assert entry["step"] == step
    assert "import" in entry["parameters"]


@pytest.mark.parametrize("step", ["integrate", "scale"])
def test_import_of_an_export_gives_the_same(tmp_path: Path, step: str) -> None:
    first = dxdask.import_(write_job(tmp_path, step), tmp_path / "a.zarr")
    out = str(tmp_path / "again.expt")
    dxdask.export(first, format="dials", step=step, output=out)
    second = dxdask.import_([out, out.replace(".expt", ".refl")], tmp_path / "b.zarr")
    one, two = first.read_step(step), second.read_step(step)
    assert set(one.reflections) == set(two.reflections)
    for name, values in one.reflections.items():
        np.testing.assert_allclose(two.reflections[name], values, rtol=1e-14, err_msg=name)
    assert list(one.experiments) == pytest.approx(list(two.experiments)) or [
        e.identifier for e in one.experiments
    ] == [e.identifier for e in two.experiments]


def test_merging_goes_on_from_scaled_reflections(tmp_path: Path) -> None:
    store = dxdask.import_(write_job(tmp_path, "scale"), tmp_path / "s.zarr")
    dxdask.merge(store)
    assert store.table("merge", "overall")["n_obs"][0] == len(reflections("scale")["hkl"])
    assert stale_steps(store) == {}


def test_a_step_run_again_makes_imported_ones_after_it_stale(tmp_path: Path) -> None:
    store = dxdask.import_(write_job(tmp_path, "scale"), tmp_path / "s.zarr")
    result = store.read_step("integrate")
    store.write_step("integrate", result, parameters={"other": 1}, fingerprint="other")
    assert set(stale_steps(store)) >= {"scale"}
    with pytest.raises(InputError, match="scale"):
        dxdask.merge(store)


def test_the_same_import_again_changes_nothing(tmp_path: Path) -> None:
    files = write_job(tmp_path, "scale")
    store = dxdask.import_(files, tmp_path / "s.zarr")
    before = store.manifest("scale").id
    again = dxdask.import_(files, tmp_path / "s.zarr")
    assert again.manifest("scale").id == before


def test_steps_that_read_frames_refuse_in_one_line(tmp_path: Path) -> None:
    store = dxdask.import_(write_job(tmp_path, "find_spots"), tmp_path / "s.zarr")
    with pytest.raises(InputError, match=r"run 'lyso' has no frames"):
        dxdask.find_spots(store)
    with pytest.raises(InputError, match="has no frames"):
        store.frames("lyso")
    assert "absent" in repr(store)


def test_geometry_of_processed_data_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="geometry"):
        dxdask.import_(write_job(tmp_path, "integrate"), tmp_path / "s.zarr", wavelength=0.9)


def test_geometry_of_spots_is_changed(tmp_path: Path) -> None:
    files = write_job(tmp_path, "find_spots")
    store = dxdask.import_(
        files, tmp_path / "s.zarr", **{"geometry": {"beam": {"wavelength": 0.9}}}
    )
    assert store.experiments("find_spots")[0].beam.wavelength == 0.9


def test_process_begins_with_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="process begins with"):
        dxdask.process(write_job(tmp_path, "find_spots"), tmp_path / "s.zarr")


def test_several_jobs_are_one_ensemble(tmp_path: Path) -> None:
    files = [
        *write_job(tmp_path, "integrate", run="a", name="one"),
        *write_job(tmp_path, "integrate", run="b", name="two"),
    ]
    store = dxdask.import_(files, tmp_path / "s.zarr")
    table = store.read_step("integrate")
    assert table.experiments.runs == ("a", "b")
    n = len(reflections("integrate")["hkl"])
    assert np.bincount(table.reflections["experiment"]).tolist() == [n, n]


def test_tables_by_hand_of_another_step(tmp_path: Path) -> None:
    files = write_job(tmp_path, "index", name="indexed")
    store = dxdask.import_(files, tmp_path / "s.zarr", input={"step": "refine"})
    assert steps(store) == ["find_spots", "index", "refine"]
    store = dxdask.import_(files, tmp_path / "t.zarr", input={"step": "find_spots"})
    assert steps(store) == ["find_spots"]
    with pytest.raises(FormatError, match=r"lacks intensity.scale.value, .*inverse_scale_factor"):
        dxdask.import_(files, tmp_path / "u.zarr", input={"step": "scale"})


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    one = write_job(tmp_path, "integrate", name="one")
    other = tmp_path / "other"
    other.mkdir()
    values = json.loads(one[0].read_text())
    for change in ("wavelength", "scan", "crystal"):
        content = json.loads(json.dumps(values))
        content["experiment"][0]["identifier"] = ""
        if change == "wavelength":
            content["beam"][0]["wavelength"] = 1.2
        elif change == "scan":
            content["scan"][0]["image_range"] = [100, 139]
        else:
            content["crystal"][0]["real_space_a"] = [60.0, 0.0, 0.0]
        (other / "one.expt").write_text(json.dumps(content))
        with pytest.raises(InputError, match="do not belong together"):
            dxdask.import_([other / "one.expt", one[1]], tmp_path / f"{change}.zarr")


def test_reflections_without_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without their models; give both: .*index.expt"):
        dxdask.import_(write_job(tmp_path, "index")[1:], tmp_path / "s.zarr")


def test_identifiers_that_differ_are_reported(tmp_path: Path) -> None:
    files = write_job(tmp_path, "integrate")
    content = json.loads(files[0].read_text())
    content["experiment"][0]["identifier"] = "another"
    files[0].write_text(json.dumps(content))
    store = dxdask.import_(files, tmp_path / "s.zarr")
    assert any("identifiers" in line for line in store.messages("integrate"))


def test_xds_ascii_with_misfits(tmp_path: Path) -> None:
    table = reflections("scale")
    sigma = np.sqrt(table["intensity_variance"])
    sigma[:7] *= -1
    sigma[7:10] = 0
    path = tmp_path / "XDS_ASCII.HKL"
    path.write_text(xds_text(sigma=sigma))
    store = dxdask.import_(path, tmp_path / "s.zarr")
    assert steps(store) == ["integrate", "scale"]
    rows = {r["reason"]: r["n"] for r in store.table("scale", "imported").to_dict("records")}
    n = len(table["hkl"])
    assert rows == {
        "imported": n - 3,
        "left out: sigma is zero": 3,
        "imported, rejected by XDS (negative sigma)": 7,
    }
    flags = store.read_step("scale").reflections["flags"]
    assert ((flags & Flag.OUTLIER_IN_SCALING) != 0).sum() == 7
    dxdask.merge(store)
    assert store.table("merge", "overall")["n_obs"][0] == n - 10
    e = store.experiments("scale")[0]
    assert e.crystal is not None
    np.testing.assert_allclose(e.crystal.unit_cell, (40, 50, 60, 90, 90, 90))
    np.testing.assert_allclose(e.detector[0].distance, 150.0)
    assert e.scan is not None
    assert e.scan.image_range == (1, 40)


def test_merged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "XDS_ASCII.HKL"
    path.write_text(xds_text().replace("MERGE=FALSE", "MERGE=TRUE"))
    with pytest.raises(FormatError, match="is merged"):
        dxdask.import_(path, tmp_path / "s.zarr")
    store = dxdask.import_(write_job(tmp_path, "scale"), tmp_path / "t.zarr")
    dxdask.merge(store)
    out = str(tmp_path / "merged.mtz")
    dxdask.export(store, output=out)
    with pytest.raises(FormatError, match="is merged"):
        dxdask.import_(out, tmp_path / "u.zarr")


@pytest.mark.parametrize("step", ["integrate", "scale"])
def test_an_unmerged_mtz_comes_back(tmp_path: Path, step: str) -> None:
    store = dxdask.import_(write_job(tmp_path, step), tmp_path / "s.zarr")
    out = str(tmp_path / "un.mtz")
    dxdask.export(store, output=out, mtz={"unmerged": True})
    again = dxdask.import_(out, tmp_path / "t.zarr")
    assert steps(again) == LAST[step]
    one, two = (s.read_step(step).reflections for s in (store, again))
    first = np.lexsort((one["z_cal"], *one["hkl"].T))
    second = np.lexsort((two["z_cal"], *two["hkl"].T))
    assert (one["hkl"][first] == two["hkl"][second]).all()
    names = ["lp", "partiality", "z_cal"]
    names += ["intensity_sum"] if step == "integrate" else ["scale", "intensity"]
    for name in names:
        np.testing.assert_allclose(one[name][first], two[name][second], rtol=2e-4, err_msg=name)
    a, b = store.experiments(step)[0], again.experiments(step)[0]
    assert a.crystal is not None
    assert b.crystal is not None
    np.testing.assert_allclose(a.crystal.unit_cell, b.crystal.unit_cell, rtol=1e-5)
    assert a.beam.wavelength == pytest.approx(b.beam.wavelength)
    assert a.scan is not None
    assert b.scan is not None
    assert a.scan.image_range == b.scan.image_range
    assert a.scan.oscillation == pytest.approx(b.scan.oscillation, abs=1e-5)


def test_gaps_and_missing_headers_of_batches(tmp_path: Path) -> None:
    store = dxdask.import_(write_job(tmp_path, "integrate"), tmp_path / "s.zarr")
    out = str(tmp_path / "un.mtz")
    dxdask.export(store, output=out, mtz={"unmerged": True})
    mtz = gemmi.read_mtz_file(out)
    for _ in range(2):
        mtz.batches.pop(10)
    mtz.write_to_file(str(tmp_path / "gap.mtz"))
    found = dxdask.import_(tmp_path / "gap.mtz", tmp_path / "gap.zarr")
    assert found.runs == ("gap",)
    assert any("2 of 40 batches have no header" in m for m in found.messages("integrate"))
    mtz.batches.clear()
    mtz.write_to_file(str(tmp_path / "bare.mtz"))
    found = dxdask.import_(tmp_path / "bare.mtz", tmp_path / "bare.zarr")
    assert any("no batch headers" in m for m in found.messages("integrate"))
    scan = found.experiments("integrate")[0].scan
    assert scan is not None
    assert scan.oscillation[1] == pytest.approx(0.5, rel=1e-2)


def test_xscale_data_sets_are_runs(tmp_path: Path) -> None:
    header = XDS_HEADER.replace("!X-RAY_WAVELENGTH=  0.980000\n", "")
    header = header.replace("!ITEM_PSI=12", "!ITEM_PSI=12\n!ITEM_ISET=13")
    sets = "".join(f"! ISET=  {i} X-RAY_WAVELENGTH=  {w}\n" for i, w in ((1, 0.98), (2, 0.99)))
    rows = xds_text().partition("!END_OF_HEADER\n")[2].partition("!END_OF_DATA")[0].splitlines()
    body = "\n".join(f"{row} {1 + k % 2}" for k, row in enumerate(rows))
    path = tmp_path / "XSCALE.HKL"
    path.write_text(
        header.replace("!END_OF_HEADER", f"{sets}!END_OF_HEADER") + body + "\n!END_OF_DATA\n"
    )
    store = dxdask.import_(path, tmp_path / "s.zarr")
    assert store.runs == ("XSCALE_1", "XSCALE_2")
    assert [e.beam.wavelength for e in store.experiments("scale")] == [0.98, 0.99]


@pytest.mark.shared
def test_merging_statistics_of_a_real_unmerged_mtz(tmp_path: Path) -> None:
    """Figures of iotbx.merging_statistics, to the digits that it prints."""
    file = shared_folder() / "data/real/unmerged/insulin_dials_scaled_unmerged.mtz"
    store = dxdask.import_(file, tmp_path / "s.zarr")
    dxdask.merge(store)
    row = store.table("merge", "overall").iloc[0]
    assert (row["n_obs"], row["n_unique"]) == (45595, 9831)
    for name, value in (("r_merge", 0.033), ("r_meas", 0.037), ("r_pim", 0.016)):
        assert round(row[name], 3) == value
    assert round(100 * row["completeness"], 1) == 94.3
    shells = store.table("merge", "shells")
    assert shells["n_obs"].tolist() == [5602, 5566, 5617, 5532, 5571, 5480, 5013, 3186, 2353, 1675]
    assert shells["r_merge"].round(3).tolist() == [
        0.023, 0.025, 0.038, 0.052, 0.070, 0.099, 0.132, 0.163, 0.241, 0.326,
    ]  # fmt: skip


@pytest.mark.shared
def test_partial_reflections_of_a_real_mtz(tmp_path: Path) -> None:
    file = shared_folder() / "data/real/unmerged/hypf_unmerged.mtz"
    store = dxdask.import_(file, tmp_path / "s.zarr")
    table = store.read_step("integrate").reflections
    assert 24000 < len(table["hkl"]) < 26000
    assert np.median(table["partiality"]) > 0.99


def test_errors_are_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.expt"
    path.write_text('{"__id__": "ExperimentList"}')
    with pytest.raises(DxdaskError):
        dxdask.import_(path, tmp_path / "s.zarr")

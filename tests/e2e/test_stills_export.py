"""Exports of processed stills, as other programs read them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.processed_stills import EVENT_IDS, GIVEN, HITS, PATTERN, WAVELENGTHS

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.storage.exporters.indexed_stills import indexed_stills
from dxdask.storage.exporters.source_images import SourceImages
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_reflections
from dxdask.storage.store.store import Store


def test_merged_mtz_and_hkl_hold_the_merged_reflections(
    stills_store: Store, tmp_path: Path
) -> None:
    merged = stills_store.columns("merge")
    dxdask.export(stills_store, output=str(tmp_path / "m.mtz"))
    mtz = gemmi.read_mtz_file(str(tmp_path / "m.mtz"))
    assert mtz.nreflections == len(merged["d"])
    assert mtz.cell.parameters == pytest.approx((79.2, 79.2, 38.0, 90, 90, 90))
    total = np.nansum(mtz.column_with_label("IMEAN").array)
    assert total == pytest.approx(merged["intensity"].sum(), rel=1e-5)
    dxdask.export(stills_store, format="hkl", output=str(tmp_path / "m.hkl"))
    lines = (tmp_path / "m.hkl").read_text().splitlines()
    assert lines[1] == "Symmetry: 4/mmm"
    assert lines.index("End of reflections") == 3 + len(merged["d"])


def test_unmerged_mtz_has_a_batch_for_each_still(stills_store: Store, tmp_path: Path) -> None:
    dxdask.export(stills_store, output=str(tmp_path / "u.mtz"), **{"mtz.unmerged": True})
    mtz = gemmi.read_mtz_file(str(tmp_path / "u.mtz"))
    assert [b.number for b in mtz.batches] == [i + 1 for i in HITS]
    found = indexed_stills(stills_store.experiments("integrate"), stills_store.arrays("integrate"))
    for batch, still, image in zip(mtz.batches, found.experiments, HITS, strict=True):
        assert batch.wavelength == pytest.approx(WAVELENGTHS[image], rel=1e-6)
        assert still.crystal is not None
        assert batch.cell.parameters == pytest.approx(still.crystal.unit_cell, rel=1e-5)
    table = stills_store.columns("integrate")
    whole = has_flag(table, Flag.INTEGRATED_SUM) & (table["partiality"] >= 0.4)
    whole &= table["intensity_sum_variance"] > 0
    assert mtz.nreflections == whole.sum()
    expected = (table["intensity_sum"] * table["lp"] / table["partiality"])[whole].sum()
    assert mtz.column_with_label("I").array.sum(dtype=float) == pytest.approx(expected, rel=1e-5)
    batches = mtz.column_with_label("BATCH").array.astype(int)
    images = np.floor(table["z"][whole]).astype(int) + 1
    assert np.array_equal(np.bincount(batches), np.bincount(images))
    mtz.switch_to_original_hkl()
    original = sorted(tuple(h) for h in mtz.make_miller_array().tolist())
    assert original == sorted(tuple(h) for h in table["hkl"][whole].tolist())


@pytest.mark.parametrize("step", ["index", "integrate"])
def test_dials_files_have_an_experiment_for_each_crystal(
    stills_store: Store, tmp_path: Path, step: str
) -> None:
    dxdask.export(stills_store, format="dials", step=step, output=str(tmp_path / "s.expt"))
    experiments = read_experiments(tmp_path / "s.expt")
    stills = stills_store.arrays(step)
    assert len(experiments) == len(HITS)
    for image, one in zip(HITS, experiments, strict=True):
        assert one.crystal is not None
        np.testing.assert_allclose(one.crystal.a, stills["a_matrix"][image], atol=1e-9)
        assert one.beam.wavelength == pytest.approx(WAVELENGTHS[image])
    table = read_reflections(tmp_path / "s.refl", experiments)
    own = stills_store.columns(step)
    kept = has_flag(own, Flag.INDEXED | Flag.PREDICTED)
    counts = np.bincount(np.floor(own["z"][kept]).astype(int), minlength=len(PATTERN))
    assert np.array_equal(np.bincount(table["experiment"]), counts[HITS])
    assert (table["z"] == 0.5).all()
    raw = json.loads((tmp_path / "s.expt").read_text())
    assert [i["single_file_indices"] for i in raw["imageset"]] == [[i] for i in HITS]
    sizes = [c["ML_domain_size_ang"] for c in raw["crystal"]]
    assert sizes == stills["domain_size"][HITS].tolist()


@pytest.mark.dials
@pytest.mark.slow
def test_dials_refines_exported_stills(stills_store: Store, tmp_path: Path) -> None:
    if not Path("/usr/bin/dials.refine").exists():
        pytest.skip("no dials.refine in /usr/bin")
    dxdask.export(stills_store, format="dials", step="index", output=str(tmp_path / "s.expt"))
    files = [str(tmp_path / "s.expt"), str(tmp_path / "s.refl")]
    shown = subprocess.run(
        ["/usr/bin/dials.show", *files], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert shown.stdout.count("Domain size") == len(HITS)
    subprocess.run(
        ["/usr/bin/dials.refine", *files, "detector.fix=all"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    before = read_experiments(tmp_path / "s.expt")
    for old, new in zip(before, read_experiments(tmp_path / "refined.expt"), strict=True):
        assert old.crystal is not None
        assert new.crystal is not None
        np.testing.assert_allclose(new.crystal.unit_cell, old.crystal.unit_cell, rtol=5e-3)
        rotation = new.crystal.u @ old.crystal.u.T
        assert np.degrees(np.arccos(min(1.0, (np.trace(rotation) - 1) / 2))) < 0.1


def test_chosen_events_are_named_as_in_their_file(stills_store: Store, tmp_path: Path) -> None:
    path = stills_store.path.parent / "events.nxs"
    events = EVENT_IDS[[0, *HITS[1:]]].tolist()
    few = dxdask.stills_process(
        path, tmp_path / "few.zarr", show=dxdask.quiet, events=events, **GIVEN
    )
    dxdask.export(few, format="stream", output=str(tmp_path / "s.stream"))
    chunks = (tmp_path / "s.stream").read_text().split("----- Begin chunk -----")[1:]
    assert [c.split("Event: //")[1].split("\n")[0] for c in chunks] == [str(i) for i in HITS[1:]]
    assert all(f"Image filename: {path}\n" in c for c in chunks)
    dxdask.export(few, format="dials", output=str(tmp_path / "s.expt"))
    raw = json.loads((tmp_path / "s.expt").read_text())
    assert [i["single_file_indices"] for i in raw["imageset"]] == [[i] for i in HITS[1:]]


def test_files_of_one_image_each_are_named_too() -> None:
    chosen = SourceImages.of(["/a_1.cbf", "/a_2.cbf", "/a_3.cbf"], [0, 2])
    assert [chosen.name(i) for i in (0, 1)] == ["/a_1.cbf", "/a_3.cbf"]


def test_a_stream_has_a_chunk_for_each_hit(stills_store: Store, tmp_path: Path) -> None:
    dxdask.export(stills_store, format="stream", output=str(tmp_path / "s.stream"))
    text = (tmp_path / "s.stream").read_text()
    assert text.startswith("CrystFEL stream format 2.3\n")
    chunks = text.split("----- Begin chunk -----")[1:]
    assert [c.split("Event: //")[1].split("\n")[0] for c in chunks] == [str(i) for i in HITS]
    stills, spots = stills_store.arrays("integrate"), stills_store.columns("find_spots")
    for chunk, image in zip(chunks, HITS, strict=True):
        lines = chunk.splitlines()
        stars = [x.split("=")[1].split()[:3] for x in lines if x[1:].startswith("star = ")]
        # x and z point the other way, 10/nm is 1/A
        a = np.array(stars, dtype=float).T * np.array([[-0.1], [0.1], [-0.1]])
        np.testing.assert_allclose(a, stills["a_matrix"][image], atol=1e-7)
        energy = float(chunk.split("photon_energy_eV = ")[1].split()[0])
        assert 12398.4198 / energy == pytest.approx(WAVELENGTHS[image], rel=1e-6)
        start, stop = (
            next(i for i, x in enumerate(lines) if x.startswith(s)) for s in ("  fs/", "End of p")
        )
        mine = np.floor(spots["z"]) == image
        assert stop - start - 1 == mine.sum()
        at = np.array([[float(v) for v in x.split()[:4]] for x in lines[start + 1 : stop]])
        assert at[:, 3].sum() == pytest.approx(spots["intensity_sum"][mine].sum())
        height = spots["y"][mine] + 200 * spots["panel"][mine]  # panels lie below one another
        np.testing.assert_allclose(np.sort(at[:, 1]), np.sort(height), atol=0.006)
        # spots are on the Ewald sphere: 1/d agrees with that of the reflection they belong to
        start, stop = (
            next(i for i, x in enumerate(lines) if x.startswith(s)) for s in ("   h ", "End of r")
        )
        rows = [x.split() for x in lines[start + 1 : stop]]
        hkl = np.array([[int(v) for v in r[:3]] for r in rows])
        near = {
            (float(r[7]), float(r[8])): np.linalg.norm(10 * a @ h)
            for r, h in zip(rows, hkl, strict=True)
        }
        keys = np.array(list(near))
        for x, y, length, _ in at[at[:, 3] > 300]:
            i = np.argmin(np.hypot(*(keys - (x, y)).T))
            if np.hypot(*(keys[i] - (x, y))) < 1.5:
                assert length == pytest.approx(near[tuple(keys[i])], abs=0.02)


def test_steps_that_hold_no_such_thing_are_refused(stills_store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    with pytest.raises(InputError, match="not of stills"):
        dxdask.export(stills_store, format="stream", step="find_spots", output=path)
    stills = stills_store.arrays("integrate")
    nothing = {**stills, "indexed": np.zeros(len(EVENT_IDS), np.bool_)}
    with pytest.raises(InputError, match="none of 5 stills is indexed"):
        indexed_stills(stills_store.experiments("integrate"), nothing)
    with pytest.raises(InputError, match="has no crystal"):
        indexed_stills(stills_store.experiments("find_spots"), stills)

"""Runs of files, folders, globs and templates, and errors of broken ones."""

import bz2
import gzip

import h5py
import numpy as np
import pytest
from support.raw_examples import write_cbf, write_nxmx, write_smv

from dxdask.errors import FormatError, InputError
from dxdask.storage.importers import ImportParameters, read_runs
from dxdask.storage.store.layout import safe_name

IMAGE = np.arange(40, dtype=np.int32).reshape(5, 8) ** 2 - 3
FRAMES = np.arange(3 * 5 * 8, dtype=np.uint16).reshape(3, 5, 8)


def sweep(folder, numbers, *, start=10.0, width=0.5, **changes):
    return [
        write_cbf(
            folder / f"lyso_{n:04d}.cbf",
            IMAGE + n,
            Start_angle=f"{start + (n - 1) * width} deg.",
            Angle_increment=f"{width} deg.",
            **changes,
        )
        for n in numbers
    ]


def test_a_sweep_of_cbf_files(tmp_path):
    sweep(tmp_path, [3, 1, 2, 4])
    (run,) = read_runs([tmp_path])
    assert (run.name, run.shape, run.dtype) == ("lyso", (4, 5, 8), np.int32)
    assert run.experiment.scan.image_range == (1, 4)
    assert run.experiment.scan.oscillation == (10.0, 0.5)
    np.testing.assert_allclose(run.columns["angle"], (10.0, 10.5, 11.0, 11.5))
    np.testing.assert_array_equal(run.read(1, 4), IMAGE + np.array([2, 3, 4])[:, None, None])
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.origin, (-0.516, 0.344, -200.0))
    assert run.experiment.goniometer.angles == (10.0,)
    with pytest.raises(InputError, match=r"images 2 to 4 are out of range.*has images 0 to 3"):
        run.read(2, 5)


@pytest.mark.parametrize("given", ["lyso_####.cbf", "lyso_*.cbf", "."])
def test_the_same_sweep_however_it_is_named(tmp_path, monkeypatch, given):
    sweep(tmp_path, [1, 2, 3])
    monkeypatch.chdir(tmp_path)
    (run,) = read_runs([given])
    assert run.shape[0] == 3
    # Later readers may run in another folder.
    assert [f.parent for f in run.files] == [tmp_path] * 3
    monkeypatch.chdir("/")
    assert run.read(0, 3).shape == (3, 5, 8)


def test_runs_get_names_that_a_store_takes(tmp_path):
    names = ["_my scan (1).h5", "my scan 1.h5", "my.scan_1_.nxs", "Überblick.h5", "_.h5"]
    paths = [write_nxmx(tmp_path / n, FRAMES) for n in names]
    runs = read_runs(paths)
    found = [r.name for r in runs]
    assert [safe_name(n, "a run") for n in found] == found
    assert len(set(found)) == 5
    assert found[1:4] == ["my_scan_1", "my.scan_1_", "berblick"]
    assert [r.experiment.run for r in runs] == found


def test_equal_names_stay_apart(tmp_path):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(write_nxmx(tmp_path / folder / "x.h5", FRAMES))
    paths += [write_nxmx(tmp_path / name, FRAMES) for name in ("a_x.h5", "a_x.nxs")]
    names = [r.name for r in read_runs(paths)]
    assert len(set(names)) == 4
    assert names[:2] == ["a_x", "b_x"]


def test_template_as_a_parameter(tmp_path):
    sweep(tmp_path, [1, 2])
    (run,) = read_runs([], ImportParameters(template=str(tmp_path / "lyso_####.cbf")))
    assert run.shape[0] == 2


def test_a_hole_in_a_template_is_an_error_and_in_a_folder_makes_two_runs(tmp_path):
    sweep(tmp_path, [1, 2, 4, 7, 8])
    with pytest.raises(InputError, match="lacks 3 of its images: 3, 5-6;"):
        read_runs([tmp_path / "lyso_####.cbf"])
    runs = read_runs([tmp_path])
    assert [(r.name, r.shape[0]) for r in runs] == [("lyso_1", 2), ("lyso_4", 1), ("lyso_7", 2)]


def test_an_angle_that_jumps_starts_a_new_run(tmp_path):
    sweep(tmp_path, [1, 2])
    sweep(tmp_path, [3, 4], start=90.0)
    assert [r.shape[0] for r in read_runs([tmp_path])] == [2, 2]


def test_stills_of_any_numbers_are_one_run(tmp_path):
    sweep(tmp_path, [2, 5, 900], width=0.0)
    (run,) = read_runs([tmp_path])
    assert run.experiment.scan.is_still
    assert run.experiment.scan.image_range == (1, 3)


def test_stills_may_have_a_wavelength_each(tmp_path):
    for n in (1, 2):
        sweep(tmp_path, [n], width=0.0, Wavelength=f"{n}.0 A", Silicon=None)
    (run,) = read_runs([tmp_path])
    assert run.experiment.beam.wavelengths == (1.0, 2.0)
    np.testing.assert_allclose(run.columns["wavelength"], (1.0, 2.0))


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_images(tmp_path, suffix, pack):
    (path,) = sweep(tmp_path, [1])
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(pack(path.read_bytes()))
    path.unlink()
    (run,) = read_runs([tmp_path])
    np.testing.assert_array_equal(run.read(0, 1)[0], IMAGE + 1)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FormatError, match="truncated or damaged"):
        run.read(0, 1)


def test_smv_in_both_byte_orders(tmp_path):
    image = FRAMES[1]
    write_smv(tmp_path / "a_1.img", image)
    write_smv(tmp_path / "b_1.img", image, BYTE_ORDER="big_endian", OSC_RANGE=-1.0)
    first, second = read_runs([tmp_path])
    np.testing.assert_array_equal(first.read(0, 1)[0], image)
    np.testing.assert_array_equal(second.read(0, 1)[0], image)
    assert first.experiment.goniometer.axes == ((1.0, 0.0, 0.0),)
    assert second.experiment.goniometer.axes == ((-1.0, 0.0, 0.0),)
    assert second.experiment.scan.oscillation == (0.0, 1.0)
    assert first.experiment.detector[0].origin == (-3.0, 2.0, -100.0)


def test_runs_of_the_same_name_are_told_apart(tmp_path):
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        sweep(tmp_path / folder, [1])
    assert [r.name for r in read_runs([tmp_path])] == ["high_lyso", "low_lyso"]


def test_lists_of_nothing(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_runs([tmp_path / "no.cbf"])
    with pytest.raises(InputError, match="no images in the folder"):
        read_runs([tmp_path])
    with pytest.raises(InputError, match="no file matches"):
        read_runs([tmp_path / "*.cbf"])
    with pytest.raises(InputError, match="no files to import"):
        read_runs([])
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(FormatError, match="is of no known format"):
        read_runs([tmp_path / "notes.txt"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Wavelength": None}, "has no Wavelength in its header"),
        (
            {"Beam_xy": None, "Detector_distance": None},
            "has no Beam_xy in its header; give .*geometry.detector.distance",
        ),
        ({"size": 10**12}, "before the end of its pixels: it is truncated"),
        ({"size": 10}, "40 pixels are announced in 10 compressed bytes"),
    ],
)
def test_damaged_cbf(tmp_path, changes, message):
    path = write_cbf(tmp_path / "a_1.cbf", IMAGE, **changes)
    with pytest.raises(FormatError, match=message):
        read_runs([path])[0].read(0, 1)


def test_a_cbf_that_ends_early(tmp_path):
    path = write_cbf(tmp_path / "a_1.cbf", IMAGE)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(FormatError, match="ends 7 bytes before the end of its pixels"):
        read_runs([path])[0].read(0, 1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match="has no binary section"):
        read_runs([path])


def test_an_image_of_another_size_does_not_belong(tmp_path):
    sweep(tmp_path, [1])
    write_cbf(tmp_path / "lyso_0002.cbf", IMAGE[:3])
    with pytest.raises(FormatError, match=r"has \(3, 8\) pixels \(slow, fast\)"):
        read_runs([tmp_path])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SIZE1": 10**9}, "are not the sizes of an image"),
        ({"SIZE1": 4000}, "bytes of pixels, its header announces"),
        ({"HEADER_BYTES": 10**9}, "is not the length of a header"),
        ({"WAVELENGTH": "long"}, "WAVELENGTH=long in the header is not a number"),
        ({"DISTANCE": None}, "has no DISTANCE in its header"),
        ({"TYPE": "double"}, "TYPE=double is not known"),
    ],
)
def test_damaged_smv(tmp_path, changes, message):
    path = write_smv(tmp_path / "a_1.img", FRAMES[0], **changes)
    with pytest.raises(FormatError, match=message):
        read_runs([path])[0].read(0, 1)


def test_master_and_data_files(tmp_path):
    write_nxmx(tmp_path / "x_master.h5", FRAMES, entry__data__data=None)
    for i in (1, 2):
        with h5py.File(tmp_path / f"x_data_00000{i}.h5", "w") as file:
            file["entry/data/data"] = FRAMES * i
    with h5py.File(tmp_path / "x_master.h5", "a") as file:
        for i in (1, 2):
            link = h5py.ExternalLink(f"x_data_00000{i}.h5", "/entry/data/data")
            file[f"entry/data/data_00000{i}"] = link
        del file["entry/sample/depends_on"]
    (run,) = read_runs([tmp_path])
    assert (run.name, run.shape, len(run.files)) == ("x", (6, 5, 8), 3)
    np.testing.assert_array_equal(run.read(2, 5), [FRAMES[2], 2 * FRAMES[0], 2 * FRAMES[1]])
    (tmp_path / "x_data_000002.h5").unlink()
    (run,) = read_runs([tmp_path / "x_master.h5"])
    assert run.shape == (3, 5, 8)
    assert any("x_data_000002.h5, cannot be opened" in line for line in run.problems)
    (tmp_path / "x_data_000001.h5").unlink()
    with pytest.raises(FormatError, match=r"data_000001, a link to x_data_000001.h5, cannot be"):
        read_runs([tmp_path / "x_master.h5"])


def test_virtual_datasets_need_their_sources(tmp_path):
    source = tmp_path / "raw.h5"
    with h5py.File(source, "w") as file:
        file["data"] = FRAMES
    layout = h5py.VirtualLayout(shape=FRAMES.shape, dtype="u2")
    layout[:] = h5py.VirtualSource("raw.h5", "data", shape=FRAMES.shape)
    path = write_nxmx(tmp_path / "v.nxs", FRAMES, entry__data__data=None)
    with h5py.File(path, "a") as file:
        file["entry/data"].create_virtual_dataset("data", layout)
    (run,) = read_runs([path])
    np.testing.assert_array_equal(run.read(0, 3), FRAMES)
    assert source in run.files
    source.unlink()
    with pytest.raises(FormatError, match=r"refers to files that are missing: .*raw.h5"):
        read_runs([path])

"""Malicious raw files: sizes they announce, files they name, numbers they hold."""

import h5py
import numpy as np
import pytest
from support.raw_examples import write_cbf, write_nxmx, write_smv

from dxdask.errors import FormatError
from dxdask.storage.importers import ImportParameters, read_runs
from dxdask.storage.importers.dials.files import read_experiments

FRAMES = np.arange(3 * 5 * 8, dtype=np.uint16).reshape(3, 5, 8)
IMAGE = FRAMES[0].astype(np.int32)
BEAM = "entry/instrument/beam/incident_wavelength"


def changed(path, name, **dataset):
    """Replace a dataset of an NXmx file."""
    write_nxmx(path, FRAMES)
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, **dataset).attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    "name",
    [
        BEAM,
        "entry/instrument/detector/module/data_size",
        "entry/sample/transformations/omega",
    ],
)
def test_numbers_that_were_never_written(tmp_path, name):
    path = changed(tmp_path / "a.nxs", name, shape=(10**12,), chunks=(1000,), dtype="f8")
    with pytest.raises(FormatError, match="announces 1000000000000 values"):
        read_runs([path])


def test_times_that_were_never_written_are_not_known(tmp_path):
    name = "entry/instrument/detector/count_time"
    path = changed(tmp_path / "a.nxs", name, shape=(10**12,), chunks=(1000,), dtype="f8")
    (run,) = read_runs([path])
    assert "exposure" not in run.columns
    assert any("announces 1000000000000 values" in line for line in run.problems)


@pytest.mark.parametrize("shape", [(3, 10**6, 10**6), (10**12, 5, 8)])
def test_frames_of_no_detector(tmp_path, shape):
    path = changed(tmp_path / "a.nxs", "entry/data/data", shape=shape, chunks=(1, 5, 8), dtype="u2")
    with h5py.File(path, "r+") as file:
        file["entry/data/data"][0, :5, :8] = 1
    with pytest.raises(FormatError, match="no detector records that"):
        read_runs([path])


@pytest.mark.parametrize("name", ["entry/data/data", "entry/instrument/detector/pixel_mask", BEAM])
def test_no_raw_file_is_read_through_hdf5(tmp_path, name):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(240)))
    shape = {"entry/data/data": (3, 5, 8), BEAM: (1,)}.get(name, (5, 8))
    dtype = {"entry/data/data": "u2", BEAM: "f8"}.get(name, "u4")
    path = changed(
        tmp_path / "a.nxs",
        name,
        shape=shape,
        dtype=dtype,
        external=[(str(secret), 0, h5py.h5f.UNLIMITED)],
    )
    with pytest.raises(FormatError, match=r"raw files .*secret"):
        read_runs([path])


@pytest.mark.parametrize(("unit", "value"), [("nm", 0.09), ("m", 0.9e-10), ("Angstrom", 0.9)])
def test_wavelengths_in_other_lengths(tmp_path, unit, value):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    with h5py.File(path, "r+") as file:
        file[BEAM][()] = value
        file[BEAM].attrs["units"] = unit
    (run,) = read_runs([path])
    assert run.experiment.beam.wavelength == pytest.approx(0.9, rel=1e-12)


def test_words_where_numbers_should_be(tmp_path):
    path = changed(tmp_path / "a.nxs", BEAM, data="long")
    with pytest.raises(FormatError, match="incident_wavelength cannot be read as numbers"):
        read_runs([path])


def test_a_cbf_of_no_detector(tmp_path):
    path = write_cbf(tmp_path / "a_1.cbf", IMAGE)
    raw = path.read_bytes()
    for size in (b"99999999", b"9" * 5000):
        wide = raw.replace(b"Size-Fastest-Dimension: 8", b"Size-Fastest-Dimension: " + size)
        path.write_bytes(wide.replace(b"Number-of-Elements: 40", b"Number-of-Elements: 499999995"))
        with pytest.raises(FormatError, match=r"not those of an image|has no size"):
            read_runs([path])


@pytest.mark.parametrize(
    ("name", "value"), [("SIZE1", "inf"), ("SIZE1", 60000), ("WAVELENGTH", "nan"), ("SIZE2", "0")]
)
def test_an_smv_of_no_detector(tmp_path, name, value):
    changes = {"SIZE2": 60000} | {name: value} if name == "SIZE1" else {name: value}
    path = write_smv(tmp_path / "a_1.img", IMAGE.astype(np.uint16), **changes)
    with pytest.raises(FormatError, match=r"not a finite number|not the sizes of an image"):
        read_runs([path])


def test_a_mask_that_is_smaller_than_it_says(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    mask = tmp_path / "mask.npy"
    np.save(mask, np.ones((5, 8), bool))
    mask.write_bytes(mask.read_bytes().replace(b"(5, 8)", b"(10000000, 100000)"))
    np.savez(tmp_path / "mask.npz", np.ones((5, 8), bool))
    for name in (mask, tmp_path / "mask.npz"):
        with pytest.raises(FormatError, match=r"lookup\.mask"):
            read_runs([path], ImportParameters.model_validate({"lookup": {"mask": name}}))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"__id__": ' + "[" * 100_000])
def test_lists_nested_beyond_reason(tmp_path, text):
    (tmp_path / "a.expt").write_text(text)
    with pytest.raises(FormatError, match=r"a\.expt"):
        read_experiments(tmp_path / "a.expt")

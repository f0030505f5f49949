"""Images of NXmx files: two-dimensional, not written, in data files that are missing or cut."""

import h5py
import numpy as np
import pytest
from support.mutated_nxmx import FRAMES, write_example
from support.nxmx_changes import (
    SAMPLE,
    changed,
    imported,
    setting,
)

from dxdask.storage.importers import read_runs


def test_one_image_of_two_dimensions(tmp_path):
    path = changed(
        tmp_path,
        setting("entry/data/data", FRAMES[0]),
        setting(f"{SAMPLE}/omega", [0.0]),
        setting(f"{SAMPLE}/omega_end", [0.5]),
    )
    (run,) = imported(path)
    assert run.shape == (1, 60, 80)
    np.testing.assert_array_equal(run.read(0, 1), FRAMES[:1])
    assert run.experiment.scan.oscillation == (0.0, 0.5)
    (linked,) = imported(path, link=True)
    assert linked.manifest.shape == (1, 60, 80)


def test_images_that_were_not_written_are_left_out(tmp_path):
    def unfinished(file):
        del file["entry/data/data"]
        data = file["entry/data"].create_dataset(
            "data", shape=(4, 60, 80), dtype="u2", chunks=(1, 60, 80)
        )
        data[:3] = FRAMES[:3]

    (run,) = imported(changed(tmp_path, unfinished))
    assert run.shape[0] == 3
    assert any("announces 4 frames, and 3 were written" in line for line in run.problems)
    np.testing.assert_allclose(run.columns["angle"], (0.0, 0.5, 1.0))


def master(tmp_path, missing=()):
    path = write_example(tmp_path / "x_master.h5")
    with h5py.File(path, "r+") as file:
        del file["entry/data/data"]
        for i in range(1, 5):
            name = f"x_data_{i:06d}.h5"
            file[f"entry/data/data_{i:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
            if i not in missing:
                with h5py.File(tmp_path / name, "w") as part:
                    part["entry/data/data"] = FRAMES[i - 1 : i]
    return path


@pytest.mark.parametrize(
    ("missing", "ranges"), [((4,), [(1, 3)]), ((2,), [(1, 1), (3, 4)]), ((1,), [(2, 4)])]
)
def test_data_files_that_are_missing(tmp_path, missing, ranges):
    path = master(tmp_path, missing)
    runs = imported(path)
    assert [r.experiment.scan.image_range for r in runs] == ranges
    starts = [0.5 * (r.experiment.scan.image_range[0] - 1) for r in runs]
    assert [r.experiment.scan.oscillation for r in runs] == [(s, 0.5) for s in starts]
    assert all(f"x_data_00000{missing[0]}.h5" in r.problems[0] for r in runs)
    np.testing.assert_array_equal(runs[-1].read(0, 1), FRAMES[[ranges[-1][0] - 1]])


def test_a_data_file_that_was_cut(tmp_path):
    path = master(tmp_path)
    part = tmp_path / "x_data_000004.h5"
    part.write_bytes(part.read_bytes()[:1000])
    (run,) = read_runs(sorted(tmp_path.glob("*.h5")))  # as a shell expands *.h5
    assert run.shape[0] == 3
    assert len(read_runs([path])) == 1


def test_data_files_beside_their_master(tmp_path, caplog):
    path = master(tmp_path)
    (run,) = read_runs([tmp_path / "x_data_000001.h5", path, tmp_path / "x_data_000002.h5"])
    assert run.shape[0] == 4
    assert "x_data_000001.h5, x_data_000002.h5 are read through x_master.h5" in caplog.text

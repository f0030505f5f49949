"""Files written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.ensemble_example import ENVIRONMENT

from dxdask.errors import InputError, StoreWriteError
from dxdask.storage.exporters.whole_file import whole_file

FULL = 20000
"""Bytes after which a file grows no more in these tests, as on a full disk."""


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt.gz"
    with whole_file(path) as aside:
        assert aside.parent == path.parent
        assert aside.suffixes[-2:] == [".txt", ".gz"]  # some writers look at them
        aside.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), InputError("bad"), KeyError("a")]
)
def test_an_error_leaves_what_was_there(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def write() -> None:
        with whole_file(path) as aside:
            aside.write_text("half")
            raise error

    with pytest.raises(StoreWriteError if isinstance(error, OSError) else type(error)) as found:
        write()
    if isinstance(error, OSError):
        assert f"cannot write {path}: no space left" in str(found.value)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed_and_devices_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with whole_file(tmp_path / "link") as aside:
        aside.write_text("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "x"
    with whole_file("/dev/null") as aside:
        aside.write_text("x")
    assert Path("/dev/null").is_char_device()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreWriteError, match="it is a folder"), whole_file(tmp_path):
        pytest.fail("must not be written")
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreWriteError, match="check the rights and the name"),
        whole_file(tmp_path / "file" / "a"),
    ):
        pytest.fail("must not be written")


def fails_on_a_full_disk(code: str, folder: Path) -> None:
    """Run code that writes to a file `path` where files cannot grow beyond some size."""
    script = f"""
import resource, sys
from pathlib import Path
import numpy as np
path = Path({str(folder / "out")!r})
{code.split("---")[0]}
resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL}, {FULL}))
from dxdask.errors import StoreWriteError
try:
{chr(10).join("    " + line for line in code.split("---")[1].strip().splitlines())}
except StoreWriteError as error:
    print(error)
    sys.exit(3)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"cannot write {folder / 'out'}")
    assert done.stdout.count("\n") == 1
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits of files are Linux's")
@pytest.mark.parametrize(
    "code",
    [
        "from PIL import Image\n"
        "from dxdask.storage.exporters.pictures import write_png\n"
        "noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)\n"
        "---write_png(path, Image.fromarray(noise), 'a title')",
        "from dxdask.storage.exporters.csv import write_csv\n"
        "table = {'x': np.linspace(0, 1, 10000)}\n---write_csv(path, table)",
        "import gemmi\n"
        "from dxdask.storage.exporters.whole_file import whole_file\n"
        "mtz = gemmi.Mtz(with_base=True)\n"
        "mtz.spacegroup = gemmi.SpaceGroup(1)\n"
        "mtz.set_data(np.ones((9000, 3), np.float32))\n"
        "---with whole_file(path) as aside:\n    mtz.write_to_file(str(aside))",
        "import gemmi\n"
        "from dxdask.storage.exporters.mmcif import write_document\n"
        "document = gemmi.cif.Document()\n"
        "loop = document.add_new_block('a').init_loop('_refln.', ['index_h'])\n"
        "for i in range(50000): loop.add_row([str(i)])\n"
        "---write_document(path, document)",
        "from dxdask.storage.exporters.shelx import write_shelx_hkl\n"
        "n = 10000\n"
        "table = {'hkl': np.ones((n, 3), np.int32), 'intensity': np.ones(n), 'sigma': np.ones(n)}\n"
        "---write_shelx_hkl(path, table)",
        "import h5py\n"
        "from dxdask.storage.exporters.whole_file import whole_file\n"
        "---with whole_file(path) as aside, h5py.File(aside, 'w') as file:\n"
        "    file['a'] = np.ones(50000)",
    ],
    ids=["png", "csv", "mtz", "mmcif", "shelx", "hdf5"],
)
def test_a_full_disk_leaves_nothing(tmp_path: Path, code: str) -> None:
    fails_on_a_full_disk(code, tmp_path)

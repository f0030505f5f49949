"""Files that come one after the other, processed as they come."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.still_runs import KNOWN, assert_same_tables, events, stills, write_run

from dxdask.errors import InputError, ParameterError
from dxdask.pipeline.stills.follow import Followed, files_now, follow
from dxdask.pipeline.stills.parameters import FollowParameters
from dxdask.storage.store.store import Store

QUICK = {"follow": True, "follow_interval": 0.05, "follow_timeout": 60.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("all")
    return [
        write_run(folder / f"run_{i}.h5", events(pattern, seed=60 + 10 * i).photons)
        for i, pattern in enumerate(("..", "x.", "xx"))
    ]


@pytest.fixture(scope="module")
def at_once(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stills(files, tmp_path_factory.mktemp("once") / "a.zarr")


def coming(files: list[Path], folder: Path, ready: Callable[[int], bool]) -> threading.Thread:
    """Start to copy files to a folder, each when `ready(how many are there)`, then a stop file."""

    def copy() -> None:
        for n, file in enumerate(files):
            _until(lambda n=n: ready(n))
            half = file.read_bytes()
            (folder / file.name).write_bytes(half[: len(half) // 2])
            time.sleep(0.2)
            shutil.copy(file, folder / "being_written")
            (folder / "being_written").rename(folder / file.name)
        (folder / "stop").touch()

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


def _until(true: Callable[[], bool]) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    raise TimeoutError


def test_files_are_processed_as_they_come(
    files: list[Path], at_once: Store, tmp_path: Path
) -> None:
    folder, path = tmp_path / "in", tmp_path / "a.zarr"
    folder.mkdir()

    def committed(n: int) -> bool:
        """Return True if the files before are in the results: of blanks only their spots."""
        if n == 0 or not (path / "zarr.json").exists():
            return n == 0
        store, step = Store.open(path, "r"), "hits" if n == 1 else "merge"
        return store.has_step(step) and len(store.experiments(step)) == n

    thread = coming(files, folder, committed)
    given: dict[str, Any] = {**QUICK, "follow_stop": str(folder / "stop")}
    store = stills(folder, path, **given)
    thread.join()
    # names of the files differ, and so do the fingerprints of their imports, but not the results
    assert_same_tables(store, at_once)
    before = store.step_attributes("index")["id"]
    again = stills(folder, path, **given)
    assert again.step_attributes("index")["id"] == before


def test_it_resumes_from_the_store(files: list[Path], at_once: Store, tmp_path: Path) -> None:
    path, names = tmp_path / "a.zarr", tmp_path / "files.lst"
    stills([files[0], files[1]], path)
    names.write_text("\n".join(map(str, reversed(files))) + "\n")
    (tmp_path / "stop").touch()
    given: dict[str, Any] = {**QUICK, "follow_stop": str(tmp_path / "stop")}
    assert_same_tables(stills(names, path, **given), at_once)


def test_names_patterns_folders_and_lists(tmp_path: Path) -> None:
    for name in ("a_1.h5", "a_2.h5", "a_x.h5", "b.nxs", "c.dat"):
        (tmp_path / name).touch()
    names = [p.name for p in files_now([str(tmp_path)])]
    assert names == ["a_1.h5", "a_2.h5", "a_x.h5", "b.nxs"]
    assert [p.name for p in files_now([f"{tmp_path}/a_#.h5"])] == ["a_1.h5", "a_2.h5"]
    assert [p.name for p in files_now([f"{tmp_path}/a_*.h5"])] == ["a_1.h5", "a_2.h5", "a_x.h5"]
    (tmp_path / "f.lst").write_text("b.nxs\n\na_1.h5\nnone.h5\n")
    both = files_now([str(tmp_path / "f.lst"), str(tmp_path / "a_1.h5")])
    assert [p.name for p in both] == ["b.nxs", "a_1.h5"]
    assert files_now([str(tmp_path / "later.lst"), str(tmp_path / "later.h5")]) == []


def test_a_file_counts_when_it_no_longer_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"1")
    followed = Followed([str(tmp_path)], readable=lambda path: None)
    assert followed.new() == []
    path.write_bytes(b"12")
    assert followed.new() == []
    assert followed.new() == [path]
    assert followed.new() == []


def test_it_ends(tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    short = FollowParameters(follow=True, follow_timeout=0.2, follow_interval=0.02)
    with pytest.raises(InputError, match="no file to process came of"):
        follow(Followed([str(tmp_path / "no")], lambda path: None), short, lambda files: None)
    taken: list[int] = []
    followed = Followed([str(tmp_path)], readable=lambda path: None)
    follow(followed, short, lambda files: taken.append(len(files)))
    assert taken == [1]
    given: dict[str, Any] = {**QUICK, "follow_timeout": 0.3}
    with pytest.raises(InputError, match=r"within 0\.3 s: .*bad\.h5"):
        stills(tmp_path, tmp_path / "a.zarr", **given)
    with pytest.raises(ParameterError, match="follow=true takes a cell"):
        stills(tmp_path, tmp_path / "b.zarr", **given, **dict.fromkeys(KNOWN))


def test_blanks_only_are_no_result(files: list[Path], tmp_path: Path) -> None:
    given: dict[str, Any] = {**QUICK, "follow_timeout": 0.5}
    with pytest.raises(InputError, match="none of 2 events is a hit"):
        stills(files[0], tmp_path / "a.zarr", **given)
    assert Store.open(tmp_path / "a.zarr").has_step("hits")

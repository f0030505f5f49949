"""Imports of a step's command: no more than it needs, so that it starts at once.

`--help` and `show` have their tests in `test_commands.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ensemble_example import python

import dxdask

HEAVY = ("dask.array", "distributed", "matplotlib", "pandas", "xarray", "scipy.special")
NUMERICAL = ("numpy", "numba", "scipy")
CASES = {
    "--version": (*HEAVY, *NUMERICAL, "dask", "zarr", "gemmi", "rich"),
    "--help": (*HEAVY, *NUMERICAL, "dask", "zarr", "gemmi"),
    "find_spots -c": (*HEAVY, "dask", "zarr", "numba"),
    "scale -c": (*HEAVY, "numba", "scipy.optimize", "dxdask.indexing", "dxdask.symmetry"),
    "merge -c": (*HEAVY, "numba", "scipy.stats", "dxdask.indexing", "dxdask.symmetry"),
    "process -c": (*HEAVY, "dask", "numba"),
    "import RAW -o TO": ("distributed", "matplotlib", "bokeh"),
    "import RAW -o TO link=true": (*HEAVY, "bokeh"),
    "find_spots STORE force=true": ("distributed", "matplotlib", "bokeh"),
    "find_spots STORE force=true cluster=synchronous": ("distributed", "matplotlib", "bokeh"),
    "generate_mask STORE border=2": (*HEAVY, "bokeh"),
    "index STORE": ("dask.array", "distributed", "matplotlib", "bokeh"),
    "report STORE -o PAGE": (*HEAVY, "bokeh", "numba", "scipy.linalg"),
    "show STORE": (*HEAVY, "bokeh", "numba", "scipy", "dask"),
    "show STORE find_spots": (*HEAVY, "bokeh", "numba", "scipy", "dask"),
}


@pytest.fixture(scope="module")
def store(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("startup") / "s.zarr"
    dxdask.import_(raw[0], path)
    dxdask.find_spots(path, show=dxdask.quiet)
    return path


@pytest.mark.parametrize("command", CASES)
def test_a_command_imports_only_the_modules_it_needs(
    raw: list[Path], store: Path, tmp_path: Path, command: str
) -> None:
    files = {"STORE": store, "RAW": raw[0], "TO": tmp_path / "to.zarr", "PAGE": tmp_path / "r.html"}
    words = [str(files.get(word, word)) for word in command.split()]
    done = python(f"""
import sys
from dxdask.cli.main import run
status = run({words!r})
found = [name for name in {CASES[command]!r} if name in sys.modules]
sys.exit(f"imports {{found}}" if found else status)
""")
    assert done.returncode == 0, done.stderr


GROUPS = {"index": "indexing", "integrate": "integration", "merge": "merging"}


@pytest.mark.parametrize("name", GROUPS)
def test_parameters_without_a_store_are_those_of_sweeps(name: str) -> None:
    sweeps = type(getattr(dxdask.parameters(name), GROUPS[name]))
    assert "stills" not in sweeps.__module__


def test_a_command_looks_for_garbage_less_often_than_python_does() -> None:
    done = python("""
import gc, sys
from dxdask.cli.main import OBJECTS_BETWEEN_COLLECTIONS, main
before = gc.get_threshold()
try:
    main(["--version"])
except SystemExit as end:
    after = gc.get_threshold()
assert after == (OBJECTS_BETWEEN_COLLECTIONS, *before[1:]), after
assert before[0] < after[0], before
""")
    assert done.returncode == 0, done.stderr

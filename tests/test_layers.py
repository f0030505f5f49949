"""Imports allowed between layers; reads the real folders and needs no tool."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import ROOT

ORDER = (
    "dxdask.arrays",
    "dxdask.frame_block",
    "dxdask.errors",
    "dxdask.on_demand",
    "dxdask.parameters",
    "dxdask.columns",
    "dxdask.still_columns",
    "dxdask.fate",
    "dxdask.tables",
    "dxdask.models",
    "dxdask.results",
    "dxdask.geometry",
    "dxdask.calibration",
    "dxdask.masking",
    "dxdask.spotfinding",
    "dxdask.hits",
    "dxdask.prediction",
    "dxdask.refinement",
    "dxdask.indexing",
    "dxdask.response",
    "dxdask.integration",
    "dxdask.reindex",
    "dxdask.symmetry",
    "dxdask.two_theta",
    "dxdask.scaling",
    "dxdask.truncation",
    "dxdask.merging",
    "dxdask.analysis",
    "dxdask.simulation",
    "dxdask.graphs",
    "dxdask.storage",
    "dxdask.cluster",
    "dxdask.pipeline",
    "dxdask.ledger",
    "dxdask.report",
    "dxdask.view",
    "dxdask.cli",
)
"""Every module and package below `dxdask`: each imports only what stands above it."""

LOWEST = ORDER[: ORDER.index("dxdask.geometry")]
SCIENCE = ORDER[: ORDER.index("dxdask.graphs")]
STEPS = SCIENCE[len(LOWEST) + 1 :]
DASK = ("dask", "distributed", "dask_jobqueue")
FILES = ("zarr", "xarray", "h5py", "hdf5plugin", "msgpack")
OTHER_STORAGE = ("frames", "importers", "exporters", "store")

FORBIDDEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(SCIENCE, (*DASK, *FILES)),
    "dxdask.graphs": ("distributed", "dask_jobqueue", *FILES),
    "dxdask.storage": ("distributed", "dask_jobqueue", "dxdask.graphs", "dxdask.geometry", *STEPS),
    "dxdask.cluster": (
        "dxdask.graphs",
        "dxdask.storage",
        *(p for p in SCIENCE if p not in ("dxdask.errors", "dxdask.parameters")),
    ),
    "dxdask.storage.codecs": tuple(f"dxdask.storage.{p}" for p in OTHER_STORAGE),
    "dxdask.storage.formats": tuple(f"dxdask.storage.{p}" for p in OTHER_STORAGE),
    "dxdask.storage.frames": ("dxdask.storage.importers", "dxdask.storage.exporters"),
    "dxdask.report": ("dxdask.cluster", "dxdask.graphs"),
    "dxdask.refinement.stills": ("dxdask.refinement.metrology",),
    "dxdask.refinement.least_squares": ("dxdask.refinement.models",),
}
"""Beside `ORDER`: what a package may not import."""

ENTRY_POINTS = ("__init__", "__main__")


def folder_of(package: str) -> Path:
    parts = package.split(".")
    return ROOT.joinpath(*(parts[1:] if (ROOT / parts[1]).is_dir() else parts))


def files_of(package: str) -> Iterator[Path]:
    folder = folder_of(package)
    return folder.rglob("*.py") if folder.is_dir() else iter([folder.with_suffix(".py")])


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return names


def offences(package: str, banned: tuple[str, ...]) -> set[str]:
    return {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of(package)
        for name in imported(path)
        for ban in banned
        if name == ban or name.startswith(ban + ".")
    }


def test_every_package_has_its_place() -> None:
    inside = {p.name.removesuffix(".py") for p in (ROOT / "dxdask").iterdir()}
    present = {n for n in inside if any(files_of(f"dxdask.{n}"))} - set(ENTRY_POINTS)
    present -= {"py.typed", "__pycache__"}
    assert {f"dxdask.{n}" for n in present} | {
        "dxdask.graphs",
        "dxdask.storage",
        "dxdask.cluster",
    } == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_what_stands_above_it(package: str) -> None:
    assert not offences(package, ORDER[ORDER.index(package) + 1 :])


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_layer_does_without(package: str) -> None:
    assert not offences(package, FORBIDDEN[package])


def test_the_check_would_notice(tmp_path: Path) -> None:
    file = tmp_path / "planted.py"
    file.write_text("from dask import array\nimport zarr.core\n")
    assert {"dask", "dask.array", "zarr.core"} <= imported(file)
    assert all(any(files_of(package)) for package in (*ORDER, *FORBIDDEN))

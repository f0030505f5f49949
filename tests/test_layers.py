"""Who may import whom; reads the real folders and needs no tool."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from paths import ROOT

STEPS = (
    "calibration",
    "masking",
    "spotfinding",
    "indexing",
    "refinement",
    "integration",
    "scaling",
    "analysis",
    "simulation",
)
FACES = ("dxdask.pipeline", "dxdask.cli", "dxdask.report")
OUTER = ("dxdask.graphs", "dxdask.storage", "dxdask.cluster", *FACES)
DASK = ("dask", "distributed", "dask_jobqueue")
FILES = ("zarr", "xarray", "h5py", "hdf5plugin", "msgpack")
KERNELS = (*DASK, *FILES, *OUTER)

FORBIDDEN: dict[str, tuple[str, ...]] = {
    "dxdask/models": (*KERNELS, "dxdask.geometry", *(f"dxdask.{s}" for s in STEPS)),
    "dxdask/geometry": (*KERNELS, *(f"dxdask.{s}" for s in STEPS)),
    **{f"dxdask/{step}": KERNELS for step in STEPS},
    "storage": ("distributed", "dask_jobqueue", "dxdask.graphs", "dxdask.cluster", *FACES,
                *(f"dxdask.{s}" for s in STEPS)),
    "graphs": ("distributed", "dask_jobqueue", *FILES, "dxdask.storage", "dxdask.cluster", *FACES),
    "cluster": ("dxdask.graphs", "dxdask.storage", *FACES, "dxdask.models", "dxdask.columns",
                *(f"dxdask.{s}" for s in STEPS)),
    "dxdask/pipeline": ("dxdask.cli", "dxdask.report"),
    "dxdask/report": ("dxdask.cli", "dxdask.cluster", "dxdask.graphs"),
}  # fmt: skip
DOWNSTREAM = {step: STEPS[i + 1 :] for i, step in enumerate(STEPS[:7])}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return names


def offences(folder: str, banned: tuple[str, ...]) -> set[str]:
    return {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path)
        for ban in banned
        if name == ban or name.startswith(ban + ".")
    }


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_layer(folder: str) -> None:
    assert not offences(folder, FORBIDDEN[folder])


@pytest.mark.parametrize("step", DOWNSTREAM)
def test_a_step_knows_only_what_comes_before_it(step: str) -> None:
    later = tuple(f"dxdask.{s}" for s in DOWNSTREAM[step])
    allowed = ("dxdask.refinement",) if step == "indexing" else ()
    assert not offences(f"dxdask/{step}", tuple(s for s in later if s not in allowed))


def test_the_check_would_notice(tmp_path: Path) -> None:
    file = tmp_path / "planted.py"
    file.write_text("from dask import array\nimport zarr.core\n")
    assert {"dask", "dask.array", "zarr.core"} <= imported(file)

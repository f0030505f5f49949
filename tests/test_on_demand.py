"""Names that a package imports when they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from support.ensemble_example import python

PARAMETERS = {
    "analysis.parameters",
    "calibration.parameters",
    "hits.parameters",
    "indexing.parameters",
    "indexing.search_beam_position.parameters",
    "indexing.stills.parameters",
    "integration.parameters",
    "integration.stills.parameters",
    "masking.parameters",
    "merging.parameters",
    "merging.stills.parameters",
    "prediction.parameters",
    "refinement.metrology.parameters",
    "refinement.modules.parameters",
    "refinement.parameters",
    "refinement.stills.parameters",
    "reindex.parameters",
    "response.parameters",
    "scaling.parameters",
    "spotfinding.parameters",
    "symmetry.parameters",
    "two_theta.parameters",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "made_up_step"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from dxdask.on_demand import on_demand\non_demand(__name__, work='work', other='more')\n"
    )
    (folder / "work.py").write_text("def work():\n    return 'done'\n")
    (folder / "more.py").write_text("other = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "made_up_step"
    for name in [n for n in sys.modules if n.partition(".")[0] == "made_up_step"]:
        del sys.modules[name]


def test_a_module_is_imported_when_its_name_is_asked_for(package: str) -> None:
    module = import_module(package)
    assert f"{package}.work" not in sys.modules
    assert module.work() == "done"
    assert f"{package}.more" not in sys.modules
    assert module.other == 1


def test_a_module_does_not_hide_the_function_of_its_name(package: str) -> None:
    module = import_module(package)
    inner = import_module(f"{package}.work")
    assert module.work is inner.work
    assert sys.modules[f"{package}.work"] is inner
    assert import_module(f"{package}.more") is module.more


def test_parameters_of_steps_are_read_without_kernels() -> None:
    done = python(f"""
import sys
from importlib import import_module
for name in {sorted(PARAMETERS)!r}:
    import_module("dxdask." + name)
    kernels = ("numba", "scipy.linalg", "scipy.special", "dask", "zarr")
    found = [m for m in kernels if m in sys.modules]
    assert not found, (name, found)
""")
    assert done.returncode == 0, done.stderr

"""A small ensemble of known truth, dxdask as a command, and the comparison of two stores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from support.tiny import tiny

from dxdask.simulation import SimulationParameters, simulate
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.store.store import Store

TRANSMISSIONS = (0.25, 0.5, 1.0)
N_IMAGES = 14
FRAME = (264, 256)  # slow, fast
RUNS = ("tiny_1", "tiny_2", "tiny_3")
# Coarser than the defaults where that saves time and makes no difference to so small a problem.
QUICK = {
    "space_group": "I213",
    "n_points": 128,
    "n_macro_cycles": 1,
    "max_combinations": 10,
}
STEPS = (
    "find_spots",
    "index",
    "calibrate_detector",
    "histogram",
    "refine",
    "integrate",
    "linearity",
    "scale",
    "merge",
)


def small(**changes: Any) -> SimulationParameters:
    """Return the parameters of three runs of a crystal whose spots hardly overlap."""
    detector = {
        "distance": 80.0,
        "module_size": (256, 128),
        "gap": 8,
        "beam_centre": (127.2, 131.6),
        "module_shifts": ((0.0, 0.0), (0.0, 0.0)),
        "pixel_size": 0.3,
        "n_dead": 6,
        "n_hot": 4,
    }
    values = {
        "transmissions": TRANSMISSIONS,
        "scan": {"n_images": N_IMAGES, "oscillation": 0.8},
        "crystal": {"unit_cell": (36.0, 36.0, 36.0, 90.0, 90.0, 90.0)},
        "detector": detector,
    }
    return tiny(**values | changes)


def write_frames(folder: Path, **changes: Any) -> list[Path]:
    """Write the runs as NXmx files."""
    return write_simulation(folder, simulate(small(**changes)))


def words(parameters: dict[str, Any]) -> list[str]:
    """Return the parameters as on a command line."""
    return [f"{name}={value}" for name, value in parameters.items()]


# Where byte code may not be written beside the sources, each process would compile them again.
_BYTE_CODE = TemporaryDirectory(prefix="dxdask-tests-")
ENVIRONMENT = {
    **os.environ,
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": _BYTE_CODE.name,
}


def dxdask(*arguments: object, **others: Any) -> subprocess.CompletedProcess[str]:
    """Run `python -m dxdask` and return what it printed."""
    command = [sys.executable, "-W", "error", "-m", "dxdask", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, **others
    )


def start(*arguments: object, **others: Any) -> subprocess.Popen[str]:
    """Start `python -m dxdask`, its output in a pipe."""
    command = [sys.executable, "-m", "dxdask", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT, **others)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=ENVIRONMENT | environment,
    )


def assert_same(left: Store, right: Store, steps: Sequence[str] = STEPS) -> None:
    """Check that two stores hold the same results: spots bit for bit, the rest to 1e-9."""
    for step in steps:
        a, b = left.columns(step), right.columns(step)
        assert list(a) == list(b), step
        for name in a:
            _assert_close(f"{step}.{name}", a[name], b[name], exact=step == "find_spots")
        a, b = left.arrays(step), right.arrays(step)
        assert list(a) == list(b), step
        for name in a:
            _assert_close(f"{step}/{name}", a[name], b[name], exact=step == "find_spots")
        assert left.messages(step) == right.messages(step)
        models = [s.experiments(step).to_dict() for s in (left, right)]
        _assert_same_models(step, *models)


def _assert_close(what: str, a: np.ndarray, b: np.ndarray, *, exact: bool) -> None:
    assert a.dtype == b.dtype, what
    if exact or a.dtype.kind not in "fc":
        np.testing.assert_array_equal(a, b, err_msg=what)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=what)


def _assert_same_models(what: str, a: Any, b: Any) -> None:
    assert type(a) is type(b), what
    if isinstance(a, dict):
        assert list(a) == list(b), what
        for key in a:
            _assert_same_models(f"{what}.{key}", a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), what
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            _assert_same_models(f"{what}[{i}]", x, y)
    elif isinstance(a, float):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=what)
    else:
        assert a == b, what

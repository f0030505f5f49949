"""Mutated NXmx files: an error of dxdask, or a geometry that is sound or warned of."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.mutated_nxmx import write_example, write_mutated

from dxdask.errors import DxdaskError
from dxdask.storage.formats import RunSource
from dxdask.storage.importers import read_runs


def silent_nonsense(run: RunSource) -> str:
    """Return what is wrong with a run that has no line in problems, judged by itself."""
    beam, detector = run.experiment.beam, run.experiment.detector
    if run.problems:
        return ""
    if not 0.005 <= beam.wavelength <= 5.0:
        return f"wavelength {beam.wavelength}"
    panel = detector[0]
    numbers = np.array([panel.origin, panel.fast_axis, panel.slow_axis])
    if not np.all(np.isfinite(numbers)):
        return "not finite"
    centre = panel.ray_intersection(beam.s0)
    size = np.asarray(panel.image_size) * panel.pixel_size
    if not np.all(np.abs(centre - size / 2) < 3 * size):
        return f"the beam is at {centre} of {size} mm"
    if not 5.0 <= panel.distance <= 6000.0:
        return f"distance {panel.distance}"
    return ""


def fault_of(path: Path) -> str:
    """Return what goes wrong with a file, empty where nothing does."""
    try:
        for run in read_runs([path]):
            wrong = silent_nonsense(run)
            if wrong:
                return wrong
            run.read(0, min(2, run.shape[0]))
    except DxdaskError:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def faults_of(folder: Path, seeds: range) -> list[str]:
    """Return the faults of mutated files."""
    found = []
    for seed in seeds:
        path = folder / f"{seed}.nxs"
        fault = fault_of(write_mutated(path, seed))
        path.unlink()
        if fault:
            found.append(f"seed {seed}: {fault}")
    return found


def test_the_example_is_sound(tmp_path):
    (run,) = read_runs([write_example(tmp_path / "a.nxs")])
    assert run.problems == ()
    assert run.experiment.scan.oscillation == (0.0, 0.5)


def test_some_mutated_files(tmp_path):
    assert faults_of(tmp_path, range(60)) == []


@pytest.mark.slow
def test_a_thousand_mutated_files(tmp_path):
    """Each hundred in a process of its own, with a limit of its time."""
    for first in range(1000, 2000, 100):
        code = (
            "import pathlib, sys; sys.path[:0] = sys.argv[3:]\n"
            "from test_nxmx_mutated import faults_of\n"
            "first = int(sys.argv[2])\n"
            "print('\\n'.join(faults_of(pathlib.Path(sys.argv[1]), range(first, first + 100))))"
        )
        tests = (Path(__file__).parents[2], Path(__file__).parent)
        ended = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(first), *map(str, tests)],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-1000:]
        assert ended.stdout.strip() == ""

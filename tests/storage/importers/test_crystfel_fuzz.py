"""CrystFEL geometries with lines changed at random: an error of dxdask, or a sensible detector."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from support.crystfel_files import FAST, SLOW, N, events, geometry, run_of

from dxdask.errors import DxdaskError
from dxdask.storage.formats import RunSource

EXTRA = """mask = /bits
mask_bad = 0x1
flag_lessthan = -5
flag_morethan = 60000
flag_equal = 777
max_adu = 50000
coffset = 0.001
fs = -x
ss = -y
no_index = 0
mask_edge_pixels = 0
detector_shift_x = /det/x mm
"""
AFTER = """badA/min_fs = 1
badA/max_fs = 2
badA/min_ss = 3
badA/max_ss = 4
badA/panel = p0
badB/min_x = -1
badB/max_x = 1
badB/min_y = -1
badB/max_y = 1
group_q0 = p0,p1
group_all = q0
"""
JUNK = (
    "", "nan", "inf", "-1", "0", "1e30", "-1e30", "1e-30", "x", "-x", "xy", "+1.0x -1.0y +0z", "%",
    "ss", "fs", "true", "/", "/none", "/data", "/data/data", "/%/data", "/det/x furlong", "0x7f",
    "99999999999999999999", "1 2 3", "1e5 m", "=", ";", "p0", "p0,p0", "\u00c5", "10 keV", "3 A",
    "0.5", "2147483648", "/det/text", "/det/empty", "..", "q0", "all",
)  # fmt: skip


def mutated(text: str, rng: random.Random) -> str:
    """Return a geometry with some lines left out, renamed, moved, or with another value."""
    lines = [line for line in text.splitlines() if line]
    for _ in range(rng.randint(1, 4)):
        k = rng.randrange(len(lines))
        key, _, value = (part.strip() for part in lines[k].partition("="))
        how = rng.randrange(8)
        if how == 0:
            del lines[k]
        elif how == 1:
            lines[k] = f"{key} = {rng.choice(JUNK)}"
        elif how == 2:
            other = rng.choice(lines).partition("=")[0].strip()
            lines[k] = f"{other} = {value}"
        elif how == 3:
            lines[k] = f"{key[: rng.randint(0, len(key))]}{rng.choice('abz_/9')} = {value}"
        elif how == 4:
            lines.insert(rng.randrange(len(lines)), lines.pop(k))
        elif how == 5:
            unit = rng.choice(("m", "mm", "cm", "eV", "keV", "A", "V", "kV", "furlong", ""))
            lines[k] = f"{key} = {value.split()[0] if value else ''} {unit}"
        elif how == 6:
            lines[k] = lines[k][: rng.randint(1, len(lines[k]))]
        else:
            lines.insert(k, f"{rng.choice(('', 'p0/', 'bad_z/', 'q/'))}{key} = {value}")
        lines = lines or ["res = 1"]
    return "\n".join(lines)


def is_plausible(run: RunSource) -> bool:
    """Return True if detector and beam may be those of an experiment."""
    panels = run.experiment.detector.panels
    corners = np.concatenate([
        p.lab_coordinates(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * p.image_size * p.pixel_size)
        for p in panels
    ])  # fmt: skip
    if not np.isfinite(corners).all():
        return False
    low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    beside = bool(np.any((low > high - low) | (-high > high - low)))
    distance = -float(np.median([p.centre[2] for p in panels]))
    wavelength = run.experiment.beam.wavelength
    sizes = [s for p in panels for s in p.pixel_size]
    return (
        not beside
        and 0.5 < distance < 2e5
        and 5e-4 < wavelength < 200
        and min(sizes) > 5e-4
        and max(sizes) < 10
    )


def check(folder: Path, seed: int) -> str:
    """Read a mutated geometry; return what came of it."""
    rng = random.Random(seed)
    path = folder / "mutated.geom"
    path.write_text(mutated((folder / "g.geom").read_text(), rng), encoding="utf-8")
    try:
        run = run_of(folder / "run.h5", path)
        run.read(0, run.shape[0])
    except DxdaskError as error:
        found = str(error)
    else:
        found = ""
    if found:
        assert len(found.splitlines()) == 1
        return "error"
    assert run.mask.shape == run.shape[1:]
    assert is_plausible(run) or run.problems, path.read_text()
    return "problem" if run.problems else "read"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = geometry(tmp_path, None, AFTER)
    path.write_text(EXTRA + path.read_text())
    events(
        tmp_path, bits=np.zeros((SLOW, FAST), int), det__x=np.full(N, 0.1), det__text="text",
        det__empty=np.zeros(0),
    )  # fmt: skip
    return tmp_path


def test_the_geometry_itself_has_no_problem(folder: Path) -> None:
    run = run_of(folder / "run.h5", folder / "g.geom")
    assert run.problems == ()
    assert is_plausible(run)


@pytest.mark.parametrize("block", range(4))
def test_mutated_geometries(folder: Path, block: int) -> None:
    seen = {check(folder, seed) for seed in range(50 * block, 50 * block + 50)}
    assert seen == {"error", "problem", "read"}


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_mutated_geometries(folder: Path, block: int) -> None:
    for seed in range(1000 + 300 * block, 1300 + 300 * block):
        check(folder, seed)

"""Problems of images: shown by a command, one line for each reason."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import h5py
from support.cli_failures import Captured

from dxdask.cli.main import run
from dxdask.cli.problems import MOST_PROBLEMS, problem_lines
from dxdask.storage.store.store import Store


def test_problems_are_shown_at_once(raw: list[Path], tmp_path: Path, capsys: Captured) -> None:
    file = Path(shutil.copy(raw[0], tmp_path / raw[0].name))
    with h5py.File(file, "r+") as f:
        data = f["/entry/data/data"]
        assert isinstance(data, h5py.Dataset)
        place = data.id.get_chunk_info(4)
    with file.open("r+b") as f:
        f.seek(place.byte_offset)
        f.write(b"\xff" * place.size)
    path = tmp_path / "a.zarr"
    assert run(["import", str(file), "-o", str(path)]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if ", import: " in line]
    assert "image 5," in row
    assert str(file) in row
    assert run(["find_spots", str(path)]) == 0
    message = capsys.readouterr().out
    assert "1 of 14 images could not be used" in message
    assert "not a number" in message.split("Problems:")[1]
    # those of one reason are one line
    store = Store.open(path)
    n_strong = sorted(store.table("find_spots", "images")["n_strong_pixels"])
    panels = store.run_experiment(store.runs[0]).detector.panels
    n_pixels = sum(math.prod(panel.image_size) for panel in panels)
    few = f"max_strong_pixel_fraction={(n_strong[4] + 0.5) / n_pixels}"
    assert run(["find_spots", str(path), few]) == 0
    message = capsys.readouterr().out
    assert message.count(", find_spots: ") == 2
    assert run(["show", str(path), "find_spots"]) == 0
    assert message.count("images ") < 14


def test_problems_that_differ_are_counted() -> None:
    reasons = [f"no {'x' * i}" for i in range(12)]
    rows = [{"run": "a", "image": i, "step": "index", "reason": reasons[i]} for i in range(1, 12)]
    lines = problem_lines(rows, "dxdask show s.zarr")
    assert len(lines) == 2 + MOST_PROBLEMS
    assert lines[2] == "  a image 1, index: no x"
    assert lines[-1] == f"  and {11 - MOST_PROBLEMS + 1} more: dxdask show s.zarr"
    assert len(problem_lines(rows, "", None)) == 13
    rows = [{"run": "a", "image": i, "step": "s", "reason": "r"} for i in (9, 3, 1, 2, None, 4)]
    assert problem_lines(rows, "")[2:] == ["  a images 1-4, 9, s: r"]
    assert problem_lines([], "") == []
    rows = [{"run": "a", "image": i, "step": "s", "reason": f"{i}.5 of 9 bad"} for i in (1, 2)]
    assert problem_lines(rows, "")[2:] == ["  a images 1-2, s: 1.5 of 9 bad, and the like"]

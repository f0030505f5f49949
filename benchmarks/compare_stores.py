"""Results of two stores side by side: rows of every step, column by column.

    python benchmarks/compare_stores.py OLD.zarr NEW.zarr

Reads stores of layout version 1 and 2 with zarr alone, so that a store which an earlier commit
wrote can be compared with that of today. Prints, for each step and column, the number of rows and
the largest relative difference; exit status 1 if spots differ at all, or anything else by more than
1e-9.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

VERSION_1 = {
    "find_spots": "spots",
    "index": "indexed",
    "refine": "refined",
    "integrate": "integrated",
    "scale": "scaled",
    "merge": "merged",
}
EXACT = "find_spots"
MOST = 1e-9


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a group."""
    found: dict[str, Any] = json.loads((path / "zarr.json").read_text())["attributes"]
    return found


def rows_of(store: Path, step: str) -> dict[str, NDArray[Any]]:
    """Return the columns of a step, all runs one below the other; none where it is absent."""
    if attributes(store)["version"] == 1:
        return _columns(store / VERSION_1[step])
    folder = store / "results" / "main" / step
    if not folder.exists():
        return {}
    parts, first = [], 0
    for run, entry in attributes(folder).get("runs", {}).items():
        part = _columns(folder / "runs" / run)
        if "experiment" in part:
            part["experiment"] = part["experiment"] + first
        parts.append(part)
        first += entry["n_experiments"]
    if not parts or not parts[0]:
        return _columns(folder)
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _columns(folder: Path) -> dict[str, NDArray[Any]]:
    if not (folder / "zarr.json").exists():
        return {}
    return {
        p.parent.name: np.asarray(zarr.open_array(p.parent, mode="r"))
        for p in sorted(folder.glob("*/zarr.json"))
        if json.loads(p.read_text())["node_type"] == "array"
        and p.parent.name not in ("experiment_offsets", "image_offsets")
    }


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest difference, relative to the larger of 1 and the value; inf: of shape."""
    if one.shape != other.shape:
        return np.inf
    if one.dtype.kind != "f":
        return 0.0 if np.array_equal(one, other) else np.inf
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        off = np.abs(one - other) / np.maximum(1.0, np.abs(one))
    off = np.where(same, 0.0, off)
    return float(np.inf if np.isnan(off).any() else off.max())


def main(old: Path, new: Path) -> int:
    """Print the table; return the exit status."""
    bad = False
    print(f"{'step':12} {'column':32} {'rows':>9} {'largest difference':>19}")
    for step in VERSION_1:
        one, other = rows_of(old, step), rows_of(new, step)
        for name in sorted(one.keys() | other.keys()):
            if name not in one or name not in other:
                print(f"{step:12} {name:32} only in {old if name in one else new}")
                bad |= name in one
                continue
            off = difference(one[name], other[name])
            bad |= off > (0.0 if step == EXACT else MOST)
            print(f"{step:12} {name:32} {len(one[name]):9d} {off:19.1e}")
    print("different" if bad else "the same")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

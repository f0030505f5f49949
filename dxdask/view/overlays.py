"""Spots and predictions that touch an image, as arrays for the page."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag
from dxdask.fate import SpotFate
from dxdask.storage.store.store import Store
from dxdask.view.tables import Table, Tables, key_of

SPOTS = ("panel", "bbox", "x", "y", "z")
INDEXED = ("refine", "index")
FATE = ("flags", "fate", "hkl", "experiment")
PIXELS = ("pixel_offsets", "pixel_x", "pixel_y", "pixel_z", "pixel_value")
SHOEBOXES = ("shoebox_offsets", "shoebox_mask")
PREDICTIONS = ("integrate", "predict", "refine", "index")
PREDICTED = ("panel", "x_cal", "y_cal", "z_cal", "z", "hkl", "flags", "experiment", "bbox")


class Kind(IntEnum):
    """What became of a spot, for its colour."""

    UNINDEXED = 0
    INDEXED = 1
    OUTLIER = 2
    INTEGRATED = 3


def spots_of(store: Store, tables: Tables, run: str, z: tuple[int, int]) -> Table:
    """Return the spots that touch the images z[0] <= z < z[1].

    Returns
    -------
    dict
        panel (n,); box (n, 4) x0 x1 y0 y1; centre, peak (n, 2); kind (n,), a `Kind`; lattice (n,),
        -1 where not indexed; hkl (n, 3); pixel_xy (m, 2), pixel_spot (m,), strong pixels on these
        images and their spots; shoebox_xy (k, 2), shoebox_spot, shoebox_mask (k,), the bits of
        `shoebox_mask` where shoeboxes are kept. Positions are in pixels of the panel.
    """
    table = tables.columns(store, "find_spots", run, SPOTS)
    step = next((s for s in INDEXED if tables.columns(store, s, run, SPOTS) is not None), None)
    if table is None and step is not None:
        table = tables.columns(store, step, run, SPOTS)
    if table is None or "bbox" not in table:
        table = {"panel": np.zeros(0, np.int32), "bbox": np.zeros((0, 6), np.int32),
                 "x": np.zeros(0), "y": np.zeros(0), "z": np.zeros(0)}  # fmt: skip
    shift = np.zeros((len(table["x"]), 2), np.int32)
    later = None if step is None else tables.columns(store, step, run, SPOTS)
    if later is not None and len(later["x"]) == len(table["x"]):
        # the same spots in the same order, perhaps on the modules that a panel was cut into
        shift = (later["bbox"] - table["bbox"])[:, [0, 2]]
        table = later
    box = table["bbox"]
    rows = np.flatnonzero((box[:, 4] < z[1]) & (box[:, 5] > z[0]))
    part = {name: table[name][rows] for name in SPOTS}
    kind, lattice, hkl = _fates(store, tables, run, step, part)
    centre = np.stack([part["x"], part["y"]], axis=1)
    found: Table = {
        "panel": part["panel"].astype(np.int32),
        "box": part["bbox"][:, :4].astype(np.int32),
        "centre": centre.astype(np.float32),
        "kind": kind,
        "lattice": lattice,
        "hkl": hkl,
    }
    return (
        found
        | _pixels(store, tables, run, z, rows, found, shift)
        | _shoeboxes(store, tables, run, z, rows, box)
    )


def _fates(
    store: Store, tables: Tables, run: str, step: str | None, part: Table
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Return kind (n,), lattice (n,) and hkl (n, 3) of spots, from the row of the same box."""
    n = len(part["panel"])
    kind, lattice = np.zeros(n, np.uint8), np.full(n, -1, np.int32)
    hkl = np.zeros((n, 3), np.int32)
    table = None if step is None else tables.columns(store, step, run, (*SPOTS, *FATE))
    if table is None or "hkl" not in table or n == 0:
        return kind, lattice, hkl
    low, high = part["bbox"][:, 4].min(), part["bbox"][:, 5].max()
    near = np.flatnonzero((table["bbox"][:, 4] >= low) & (table["bbox"][:, 5] <= high))
    place = _places(_keys(part, np.arange(n)), _keys(table, near))
    row = near[place] if len(near) else np.zeros(n, np.int64)
    indexed = place >= 0
    indexed[indexed] = (table["flags"][row[indexed]] & np.uint32(Flag.INDEXED)) != 0
    row = row[indexed]
    first = int(table["experiment"].min()) if len(table["experiment"]) else 0
    hkl[indexed], lattice[indexed] = table["hkl"][row], table["experiment"][row] - first
    outlier = (table["flags"][row] & np.uint32(Flag.CENTROID_OUTLIER)) != 0
    if "fate" in table:
        outlier |= table["fate"][row] == SpotFate.OUTLIER
    kind[indexed] = np.where(outlier, Kind.OUTLIER, Kind.INDEXED)
    z_of = _integrated(store, tables, run)
    if z_of:
        for i in np.flatnonzero(kind == Kind.INDEXED).tolist():
            at = z_of.get((int(lattice[i]), *hkl[i].tolist()), ())
            if any(abs(z - part["z"][i]) < 3.0 for z in at):
                kind[i] = Kind.INTEGRATED
    return kind, lattice, hkl


def _keys(table: Table, rows: NDArray[Any]) -> NDArray[Any]:
    """Return panel, bounding box and x (n, 8) of rows, which name a spot."""
    columns = [table["panel"][rows, None], table["bbox"][rows], table["x"][rows, None]]
    return np.concatenate(columns, axis=1)


def _places(keys: NDArray[Any], among: NDArray[Any]) -> NDArray[np.int64]:
    """Return the place of each row among others, the last of equal ones; -1 where it is not."""
    both = np.concatenate([among, keys]).astype(np.float64)
    order = np.lexsort(both.T[::-1])
    new = np.ones(len(both), np.bool_)
    new[1:] = (np.diff(both[order], axis=0) != 0).any(axis=1)
    group = np.empty(len(both), np.int64)
    group[order] = np.cumsum(new) - 1
    place = np.full(int(new.sum()), -1, np.int64)
    np.maximum.at(place, group[: len(among)], np.arange(len(among)))
    return place[group[len(among) :]]


ByIndex = dict[tuple[int, ...], list[float]]
"""z by lattice, h, k and l."""


def _integrated(store: Store, tables: Tables, run: str) -> ByIndex:
    """Return z of the integrated reflections of a run."""
    table = tables.columns(store, "integrate", run, PREDICTED)
    if table is None:
        return {}
    found: ByIndex = tables.derived.get(key_of(store, "integrate", run), lambda: _z_by_index(table))
    return found


def _z_by_index(table: Table) -> ByIndex:
    rows = np.flatnonzero(table["flags"] & np.uint32(Flag.INTEGRATED))
    found: ByIndex = {}
    first = int(table["experiment"].min()) if len(table["experiment"]) else 0
    at = table["z_cal"] if "z_cal" in table else table["z"]
    keys = np.column_stack([table["experiment"][rows] - first, table["hkl"][rows]]).tolist()
    for key, z in zip(keys, at[rows].tolist(), strict=True):
        found.setdefault(tuple(key), []).append(z)
    return found


def _pixels(
    store: Store,
    tables: Tables,
    run: str,
    z: tuple[int, int],
    rows: NDArray[Any],
    found: Table,
    shift: NDArray[Any],
) -> Table:
    """Return the strong pixels of spots on these images, and the peak of each spot."""
    arrays = tables.arrays(store, "find_spots", run, PIXELS)
    peak = found["centre"].copy()
    none = {"pixel_xy": np.zeros((0, 2), np.int32), "pixel_spot": np.zeros(0, np.int32)}
    if "pixel_offsets" not in arrays or not len(rows):
        return {"peak": peak, **none}
    starts, ends = arrays["pixel_offsets"][rows], arrays["pixel_offsets"][rows + 1]
    sizes = (ends - starts).astype(np.int64)
    spot = np.repeat(np.arange(len(rows)), sizes)
    at = np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    xy = np.stack([arrays["pixel_x"][at], arrays["pixel_y"][at]], axis=1).astype(np.int32)
    xy += shift[rows][spot]
    order = np.argsort(arrays["pixel_value"][at], kind="stable")
    peak[spot[order]] = xy[order] + 0.5  # of several the last counts: the largest
    here = (arrays["pixel_z"][at] >= z[0]) & (arrays["pixel_z"][at] < z[1])
    return {"peak": peak, "pixel_xy": xy[here], "pixel_spot": spot[here].astype(np.int32)}


def _shoeboxes(
    store: Store,
    tables: Tables,
    run: str,
    z: tuple[int, int],
    rows: NDArray[Any],
    box: NDArray[Any],
) -> Table:
    """Return the pixels of kept shoeboxes on the first of these images, and their masks."""
    arrays = tables.arrays(store, "find_spots", run, SHOEBOXES)
    xy, spot, mask = [np.zeros((0, 2), np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for i, row in enumerate(rows.tolist() if "shoebox_mask" in arrays else ()):
        x0, x1, y0, y1, z0, z1 = box[row].tolist()
        if not z0 <= z[0] < z1:
            continue
        size = (x1 - x0) * (y1 - y0)
        start = int(arrays["shoebox_offsets"][row]) + (z[0] - z0) * size
        y, x = np.mgrid[y0:y1, x0:x1]
        xy.append(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.int32))
        spot.append(np.full(size, i, np.int32))
        mask.append(arrays["shoebox_mask"][start : start + size].astype(np.int32))
    return {
        "shoebox_xy": np.concatenate(xy),
        "shoebox_spot": np.concatenate(spot),
        "shoebox_mask": np.concatenate(mask),
    }


def predictions_of(store: Store, tables: Tables, run: str, z: tuple[int, int]) -> Table:
    """Return the predicted reflections that touch the images z[0] <= z < z[1].

    They are those of the first of `PREDICTIONS` that has some.

    Returns
    -------
    dict
        p_panel (n,); p_xy (n, 2), px of the panel; p_hkl (n, 3); p_lattice (n,); p_done (n,) 1
        where integrated; p_box (n, 4) x0 x1 y0 y1, empty where there is none.
    """
    for step in PREDICTIONS:
        table = tables.columns(store, step, run, PREDICTED)
        if table is not None and {"x_cal", "y_cal", "hkl"} <= table.keys():
            break
    else:
        table = {name: np.zeros(0, np.uint32) for name in PREDICTED}
        table |= {"hkl": np.zeros((0, 3)), "bbox": np.zeros((0, 6))}
    at = table["z_cal"] if "z_cal" in table else table["z"]
    here = (at > z[0] - 0.5) & (at < z[1] + 0.5) & np.isfinite(table["x_cal"])
    if "z_cal" not in table:
        here = (np.floor(at) >= z[0]) & (np.floor(at) < z[1])
    elif "bbox" in table and step in ("integrate", "predict"):
        here = (table["bbox"][:, 4] < z[1]) & (table["bbox"][:, 5] > z[0])
    if step in INDEXED:
        here &= (table["flags"] & np.uint32(Flag.INDEXED)) != 0
    rows = np.flatnonzero(here)
    first = int(table["experiment"].min()) if len(table["experiment"]) else 0
    flags = (
        table["flags"][rows].astype(np.uint32) if "flags" in table else np.zeros(len(rows), "u4")
    )
    box = table["bbox"][rows, :4] if "bbox" in table and step == "integrate" else np.zeros((0, 4))
    return {
        "p_panel": table["panel"][rows].astype(np.int32),
        "p_xy": np.stack([table["x_cal"][rows], table["y_cal"][rows]], axis=1).astype(np.float32),
        "p_hkl": table["hkl"][rows].astype(np.int32),
        "p_lattice": (table["experiment"][rows] - first).astype(np.int32),
        "p_done": ((flags & np.uint32(Flag.INTEGRATED)) != 0).astype(np.uint8),
        "p_box": box.astype(np.int32),
    }

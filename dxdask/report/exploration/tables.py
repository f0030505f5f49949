"""Tables of a selection of an ensemble, from the columns of its steps, run by run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.errors import InputError, StoreNotFoundError
from dxdask.report.exploration.selection import Selection
from dxdask.report.page.modules import module_names
from dxdask.report.step_tables import StepTables
from dxdask.storage.store import masks as stored_masks

if TYPE_CHECKING:
    import pandas as pd

    from dxdask.storage.store.store import Store


PLACE = ("x", "y", "n_pixels", "intensity_sum")
"""Columns that name a spot, with z."""


def names_of_modules(store: Store) -> list[str]:
    """Return the names of the panels of the integrated models."""
    return module_names(StepTables(store), "integrate")


def pixels(chosen: Selection) -> pd.DataFrame:
    """Return the table of `Exploration.pixels`."""
    store = chosen.store
    # the panels of refine are the modules, where the detector was re-cut
    step = "refine" if store.has_step("refine") else "index"
    parts = []
    for run in chosen.runs:
        arrays = store.arrays("find_spots", ["pixel_offsets", "pixel_value"], run=run)
        table = store.columns(step, ["flags", "panel", "z", *PLACE], run=run)
        used = has_flag(table, Flag.INDEXED) & _on_images(chosen, run, table["z"])
        n = np.diff(arrays["pixel_offsets"])
        of_spot = np.where(used, table["panel"], -1)
        if len(n) != len(used):  # of stills the hits alone are indexed
            row = _rows_of(table, store.columns("find_spots", ["z", *PLACE], run=run))
            if (row < 0).any():
                raise InputError(
                    f"the spots of {step} are not those of find_spots any more; run index again"
                )
            of_spot = np.full(len(n), -1)
            of_spot[row] = np.where(used, table["panel"], -1)
        panel = of_spot.repeat(n)
        for i, name in _modules(chosen):
            value, count = np.unique(arrays["pixel_value"][panel == i], return_counts=True)
            parts.append({"run": run, "module": name, "value": value, "n": count})
    return _frame(parts, ("run", "module", "value", "n"))


def _rows_of(spots: Reflections, among: Reflections) -> NDArray[np.int64]:
    """Return the row (n,) of each spot among others, -1 where it is not."""
    names = ("z", *PLACE)
    both = [np.stack([np.asarray(t[k], np.float64) for k in names], axis=1) for t in (spots, among)]
    place = {row.tobytes(): i for i, row in enumerate(both[1])}
    return np.array([place.get(row.tobytes(), -1) for row in both[0]], np.int64)


def intensities(chosen: Selection, bins_a_decade: int) -> pd.DataFrame:
    """Return the table of `Exploration.intensities`: of fitted intensities where there are any."""
    parts = []
    columns = chosen.store.manifest("integrate").columns
    kind = "prf" if "intensity_prf" in columns else "sum"
    done = Flag.INTEGRATED_PRF if kind == "prf" else Flag.INTEGRATED_SUM
    z = "z_cal" if "z_cal" in columns else "z"  # of a still, its image
    for run in chosen.runs:
        names = ["flags", "panel", z, f"intensity_{kind}"]
        table = chosen.store.columns("integrate", names, run=run)
        value = table[f"intensity_{kind}"]
        used = has_flag(table, done) & (value > 0) & _on_images(chosen, run, table[z])
        for i, name in _modules(chosen):
            own = np.floor(np.log10(value[used & (table["panel"] == i)]) * bins_a_decade)
            bin_, count = np.unique(own, return_counts=True)
            low, high = (10.0 ** ((bin_ + k) / bins_a_decade) for k in (0, 1))
            parts.append({"run": run, "module": name, "low": low, "high": high, "n": count})
    return _frame(parts, ("run", "module", "low", "high", "n"))


def pairs(chosen: Selection) -> pd.DataFrame:
    """Return the table of `Exploration.pairs`."""
    store = chosen.store
    needed = ["pair_offsets", "pair_intensity", "pair_reference", "pair_image", "pair_panel"]
    if not store.has_step("linearity") or "pair_panel" not in store.manifest("linearity").arrays:
        raise InputError(f"no pairs are known with their module: dxdask linearity {store.path}")
    arrays, table = store.arrays("linearity", needed), store.table("linearity", "ratios")
    ends = arrays["pair_offsets"]
    transmissions = table["transmission"].to_numpy(dtype=np.float64)
    parts = []
    for k, run in enumerate(table["run"]):
        if run not in chosen.runs:
            continue
        rows = np.arange(ends[k], ends[k + 1])
        rows = rows[_on_images(chosen, run, arrays["pair_image"][rows] - 0.5)]
        for i, name in _modules(chosen):
            own = rows[arrays["pair_panel"][rows] == i]
            intensity, reference = (arrays[f"pair_{n}"][own] for n in ("intensity", "reference"))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = intensity / reference
            parts.append(
                {
                    "run": run,
                    "module": name,
                    "image": arrays["pair_image"][own],
                    "intensity": intensity,
                    "reference": reference,
                    "ratio": ratio,
                    "relative": ratio * transmissions.max() / transmissions[k],
                }
            )
    names = ("run", "module", "image", "intensity", "reference", "ratio", "relative")
    return _frame(parts, names)


def ratios(found: pd.DataFrame, by: Sequence[str], n_bins: int) -> pd.DataFrame:
    """Return the table of `Exploration.ratios`."""
    import pandas as pd

    unknown = [name for name in by if name not in found.columns]
    if unknown or n_bins < 1:
        raise InputError(
            f"pairs have no column {', '.join(unknown)}; they have {', '.join(found.columns)}"
            if unknown
            else f"n_bins is {n_bins}, must be at least 1"
        )
    rows = []
    for key, own in found.groupby(list(by), sort=False):
        order = np.argsort(own["reference"].to_numpy(), kind="stable")
        rows += [
            {**dict(zip(by, key, strict=True)), **_statistics(own.iloc[part])}
            for part in np.array_split(order, n_bins)
            if len(part)
        ]
    names = ("n", "reference", "median", "mean", "sum_ratio", "relative")
    return pd.DataFrame(rows, columns=[*by, *names])


def _statistics(pairs: pd.DataFrame) -> dict[str, float]:
    return {
        "n": len(pairs),
        "reference": float(pairs["reference"].mean()),
        "median": float(pairs["ratio"].median()),
        "mean": float(pairs["ratio"].mean()),
        "sum_ratio": float(pairs["intensity"].sum() / pairs["reference"].sum()),
        "relative": float(pairs["relative"].median()),
    }


def masks(chosen: Selection) -> pd.DataFrame:
    """Return the table of `Exploration.masks`; a pixel may be masked for several reasons."""
    parts = []
    panels = chosen.store.experiments("integrate")[0].detector.panels
    for run in chosen.runs:
        every = _masked(chosen.store, run)
        for i, name in _modules(chosen):
            own = {reason: masked[panels[i].slices] for reason, masked in every.items()}
            row: dict[str, Any] = {"run": run, "module": name}
            row["n_pixels"] = panels[i].image_size[0] * panels[i].image_size[1]
            row |= {reason: int(masked.sum()) for reason, masked in own.items()}
            row["any"] = int(np.logical_or.reduce(list(own.values())).sum())
            parts.append({k: [v] for k, v in row.items()})
    names = ("run", "module", "n_pixels", "imported", "applied", "bad_pixel", "any")
    return _frame(parts, names)


def _masked(store: Store, run: str) -> dict[str, NDArray[np.bool_]]:
    """Return the masked pixels (slow, fast) of a run by reason."""
    imported = ~store.imported_mask(run)
    applied = store.applied_mask(run)
    try:
        bad = stored_masks.of_step(store.path, "find_spots", "bad_pixel_mask", run, store.branch)
    except StoreNotFoundError:  # spots of another program
        bad = np.ones_like(imported)
    return {
        "imported": imported,
        "applied": np.zeros_like(imported) if applied is None else ~applied,
        "bad_pixel": ~bad,
    }


def _modules(chosen: Selection) -> Iterator[tuple[int, str]]:
    for i, name in enumerate(chosen.modules):
        if name is not None:
            yield i, name


def _on_images(chosen: Selection, run: str, z: NDArray[Any]) -> NDArray[np.bool_]:
    """Return True (n,) for centroids z, images from 0, on the chosen images of a run.

    Those before the first image of the run or after the last are of partial reflections on it.
    """
    if chosen.images is None:
        return np.ones(len(z), np.bool_)
    first, last = chosen.images
    scan = chosen.store.run_experiment(run).scan
    begin, end = (0, 1) if scan is None else scan.array_range
    image = np.clip(np.floor(z), begin, end - 1) + 1
    return np.asarray((image >= first) & (image <= last))


def _frame(parts: Sequence[dict[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """Return the parts below each other; texts of a part are repeated."""
    import pandas as pd

    filled = [pd.DataFrame(part) for part in parts if len(np.atleast_1d(part[names[-1]]))]
    if not filled:
        return pd.DataFrame(columns=list(names))
    return pd.concat(filled, ignore_index=True)

"""Overview of a store: its runs with their geometry, its steps with their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dxdask.cli.layout import brief_table
from dxdask.report.runs import run_rows
from dxdask.tables import Table, shortened

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

MOST_RUNS = 20
_HEADINGS = {
    "run": ("Run", ""),
    "n_images": ("images", "d"),
    "start_deg": ("from\n(deg)", ".2f"),
    "width_deg": ("width\n(deg)", ".4g"),
    "wavelength_A": ("wavelength\n(A)", ".5f"),
    "distance_mm": ("distance\n(mm)", ".2f"),
    "beam_x_px": ("beam x\n(px)", ".2f"),
    "beam_y_px": ("beam y\n(px)", ".2f"),
    "transmission": ("transm.", ".4g"),
}


def overview(store: Store) -> list[str]:
    """Return lines on a store: where it is, its runs and their geometry."""
    branches = store.branches
    others = f" (branches: {shortened(branches)})" if len(branches) > 1 else ""
    lines = [f"{store.path}, branch {store.branch}{others}"]
    rows = run_rows(store)
    if not rows:
        return [*lines, "runs: none; import some with: dxdask import FILES -o STORE"]
    columns = [k for k in _HEADINGS if any(row[k] is not None for row in rows)]
    if all(row["transmission"] == 1.0 for row in rows):
        columns.remove("transmission")
    table = Table(
        name="",
        title=f"{len(rows)} run{'s' * (len(rows) > 1)}, {sum(r['n_images'] for r in rows)} images",
        rows=[{k: row[k] for k in columns} for row in rows[:MOST_RUNS]],
        headings=_HEADINGS,
    )
    lines += ["", *brief_table(table, every_run=True)[0]]
    if len(rows) > MOST_RUNS:
        lines.append(f"  and {len(rows) - MOST_RUNS} more runs (--json has all)")
    for text, runs in _shared(rows).items():
        of = "" if len(runs) == len(rows) else f" ({shortened(runs)})"
        lines.append(f"  {text}{of}")
    return lines


def as_data(store: Store, *steps: str) -> dict[str, Any]:
    """Return what `show --json` prints: runs, steps with their tables, problems."""
    from dxdask.pipeline.staleness import stale_steps

    parts = [store.show(step) for step in steps] or [store.show()]
    found = {k: v for part in parts for k, v in part["steps"].items()}
    for name, reason in stale_steps(store).items():
        if name in found:
            found[name]["stale"] = reason
    runs = {} if steps else {"runs": run_rows(store)}
    return {**runs, **parts[0], "steps": found}


def _shared(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return what many runs have in common as lines, each with the runs it is true of."""
    found: dict[str, list[str]] = {}
    for row in rows:
        where = row["frames"]
        axis = None if row["axis"] is None else [round(v, 6) + 0.0 for v in row["axis"]]
        texts = [
            f"frames    {row['frame']} pixels (slow x fast), {row['dtype']}, {where}",
            *_detector(row),
            "stills, no rotation"
            if axis is None
            else f"axis      {row['axis_name']} ({', '.join(f'{v:.4g}' for v in axis)})",
        ]
        for text in texts:
            found.setdefault(text, []).append(row["run"])
    return found


def _detector(row: dict[str, Any]) -> list[str]:
    if not row["n_panels"]:
        return ["detector  not known"]
    (x, y), (low, high) = row["panel_size_px"], row["trusted_range"]
    several = f"{row['n_panels']} panels" if row["n_panels"] > 1 else "one panel"
    return [
        f"detector  {several} of {x} x {y} pixels of "
        f"{row['pixel_size_mm'][0]:g} x {row['pixel_size_mm'][1]:g} mm"
        + (f", {row['sensor']}" if row["sensor"] else ""),
        f"counts    trusted between {low:g} and {high:g}; gain {row['gain']:g}, "
        f"pedestal {row['pedestal']:g}",
    ]

"""Lines on what was found, from the tables of the steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dxdask.report.step_tables import StepTables


def found(tables: StepTables) -> Iterator[tuple[str, str]]:
    """Yield name and figures of what the steps found, in the order of processing."""
    spots = tables.values("find_spots", "images", "n_spots")
    if spots:
        n_runs = len({row["run"] for row in tables.rows("find_spots", "images")})
        yield "spots", f"{sum(spots):.0f} on {len(spots)} images of {_several(n_runs, 'run')}"
    indexed = tables.values("index", "imagesets", "n_indexed")
    if indexed:
        every = sum(indexed) + sum(tables.values("index", "imagesets", "n_unindexed"))
        yield "indexed", f"{sum(indexed):.0f} spots, {100 * sum(indexed) / max(every, 1):.1f} %"
    stills = tables.rows("index", "stills")
    if stills:
        hits = sum(bool(row.get("hit")) for row in stills)
        n = sum(bool(row.get("indexed")) for row in stills)
        yield "indexed", f"{n} of {hits} hits in {len(stills)} events"
    yield from _crystals(tables)
    predicted, *done = (
        sum(tables.values("integrate", "summary", k))
        for k in ("n_predicted", "n_integrated_prf", "n_integrated_sum", "n_integrated")
    )
    if predicted:
        of = f"{max(done):.0f} of " if max(done) else ""
        yield "integrated", f"{of}{predicted:.0f} predicted reflections"
    yield from _merged(tables)


def _crystals(tables: StepTables) -> Iterator[tuple[str, str]]:
    for row in tables.rows("index", "cell")[:1]:
        lengths = " ".join(f"{row[k]:.2f}" for k in CELL)
        yield "crystals", f"{row['n_crystals']} of {row['space_group']}, {lengths} (median)"
    step = next((s for s in ("refine", "index") if tables.rows(s, "crystals")), None)
    if step is None:
        return
    rows = tables.rows(step, "crystals")
    cell = [float(np.median([row[k] for row in rows])) for k in CELL]
    text = " ".join(f"{v:.2f}" for v in cell)
    median = " (median)" if len(rows) > 1 else ""
    yield "crystal", f"{rows[0]['space_group']}, {text}{median}"
    rmsds = [tables.values(step, "rmsds", k) for k in ("rmsd_x_px", "rmsd_y_px", "rmsd_z_images")]
    if all(rmsds):
        x, y, z = (float(np.median(v)) for v in rmsds)
        yield "RMSD", f"x {x:.3f} px, y {y:.3f} px, z {z:.3f} images"
    for row in tables.rows("symmetry", "reindexed")[:1]:
        text = " ".join(f"{row[k]:.2f}" for k in CELL)
        yield "space group", f"{row['space_group']}, {text}"
    yield from _modules(tables)


def _modules(tables: StepTables) -> Iterator[tuple[str, str]]:
    """Yield the module that moved most against the others, if any did."""
    rows = tables.rows("refine", "modules")
    moved = [row for row in rows if row.get("moved")]
    if not moved:
        return
    # of two that moved against each other the second; see refinement.modules.proposal
    row = moved[-1] if len(rows) == 2 else max(moved, key=lambda r: r["size_px"])
    others = f", and {len(moved) - 1} more" if len(moved) > 1 and len(rows) > 2 else ""
    yield (
        "module",
        f"{row['name']} moved {row['shift_fast_px']:+.2f} px along fast, "
        f"{row['shift_slow_px']:+.2f} along slow{others}",
    )


CELL = ("a", "b", "c", "alpha", "beta", "gamma")


def _merged(tables: StepTables) -> Iterator[tuple[str, str]]:
    for row in tables.rows("merge", "overall")[:1]:
        yield (
            "merged",
            f"{row['n_obs']} observations of {row['n_unique']} reflections, "
            f"{row['d_max']:.2f} to {row['d_min']:.2f} A",
        )
        parts = [
            f"{label} {format(row[key], form)}"
            for key, label, form in _STATISTICS
            if isinstance(row.get(key), (int, float)) and np.isfinite(row[key])
        ]
        yield "", ", ".join(parts)


_STATISTICS = (
    ("completeness", "compl.", ".3f"),
    ("multiplicity", "mult.", ".1f"),
    ("i_over_sigma", "I/sigma", ".1f"),
    ("r_meas", "Rmeas", ".3f"),
    ("cc_half", "CC1/2", ".4f"),
)


def _several(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"

"""Tables of refinement: steps, RMSDs, crystals and moves of the panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.models import ExperimentList
from dxdask.models.rotations import rotation_vector
from dxdask.models.sharing import share_equal
from dxdask.refinement.least_squares.minimise import Cycle
from dxdask.tables import Table

MRAD = 1e-3
CELL = ("a", "b", "c", "alpha", "beta", "gamma")


def steps_table(steps: Sequence[Cycle]) -> Table:
    """Return the table of the RMSDs at the start and after each step."""
    rows = [
        {
            "step": i,
            "n": s.n,
            "rmsd_x_mm": float(s.rmsds[0]),
            "rmsd_y_mm": float(s.rmsds[1]),
            "rmsd_phi_deg": float(np.degrees(s.rmsds[2])),
        }
        for i, s in enumerate(steps)
    ]
    headings = {
        "step": ("Step", ""),
        "n": ("Nref", ""),
        "rmsd_x_mm": ("RMSD_X\n(mm)", ".5g"),
        "rmsd_y_mm": ("RMSD_Y\n(mm)", ".5g"),
        "rmsd_phi_deg": ("RMSD_Phi\n(deg)", ".5g"),
    }
    return Table(name="steps", title="Refinement steps", rows=rows, headings=headings)


def rmsds_table(used: Reflections, experiments: ExperimentList) -> Table:
    """Return the table of RMSDs by experiment of the reflections `used`, which have predictions.

    Residuals in mm over the pixel's size, and in rad over the image's width, as DIALS gives them.
    """
    rows = []
    for i, e in enumerate(experiments):
        mine = used["experiment"] == i
        n = int(mine.sum())
        if n == 0 or e.scan is None:
            continue
        sizes = np.array([p.pixel_size for p in e.detector.panels])[used["panel"][mine]]
        x, y, z = (
            (used["x_mm"] - used["x_cal_mm"])[mine] / sizes[:, 0],
            (used["y_mm"] - used["y_cal_mm"])[mine] / sizes[:, 1],
            (used["phi_rad"] - used["phi_cal_rad"])[mine] / e.scan.image_width_rad,
        )
        rows.append({
            "experiment": i, "run": e.run, "n": n,
            "rmsd_x_px": _rms(x), "rmsd_y_px": _rms(y), "rmsd_z_images": _rms(z),
        })  # fmt: skip
    headings = {
        "experiment": ("Exp\nid", ""),
        "run": ("Run", ""),
        "n": ("Nref", ""),
        "rmsd_x_px": ("RMSD_X\n(px)", ".5g"),
        "rmsd_y_px": ("RMSD_Y\n(px)", ".5g"),
        "rmsd_z_images": ("RMSD_Z\n(images)", ".5g"),
    }
    return Table(name="rmsds", title="RMSDs by experiment", rows=rows, headings=headings)


def rmsd_in_plane(table: Reflections) -> tuple[float, int]:
    """Return the rmsd in the detector plane, mm, and the number of reflections refined against.

    Reflections that the refined models do not predict are excluded; infinite without any.
    """
    used = select(table, has_flag(table, Flag.USED_IN_REFINEMENT))
    squares = (used["x_cal_mm"] - used["x_mm"]) ** 2 + (used["y_cal_mm"] - used["y_mm"]) ** 2
    return _rms(np.sqrt(squares)), n_rows(used)


def _rms(values: NDArray[Any]) -> float:
    good = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(good**2))) if len(good) else float("inf")


def crystals_table(experiments: ExperimentList) -> Table:
    """Return the table of crystals with the standard uncertainties of their cells."""
    rows = []
    for i, e in enumerate(experiments):
        if e.crystal is None:
            continue
        row: dict[str, Any] = {"experiment": i, "run": e.run, "space_group": e.crystal.space_group}
        row |= {k: float(v) for k, v in zip(CELL, e.crystal.unit_cell, strict=True)}
        su = e.crystal.cell_su or (None,) * 6
        row |= {f"{k}_su": None if v is None else float(v) for k, v in zip(CELL, su, strict=True)}
        rows.append(row)
    headings = {
        "experiment": ("Exp\nid", ""),
        "run": ("Run", ""),
        "space_group": ("Space group", ""),
    }
    headings |= {k: (k, ".4f") for k in CELL} | {f"{k}_su": (f"su({k})", ".4f") for k in CELL}
    return Table(name="crystals", title="Refined crystals", rows=rows, headings=headings)


def panels_table(before: ExperimentList, after: ExperimentList) -> Table:
    """Return the table of the moves of each panel, centre and axes, in the laboratory frame.

    before, after : experiments of the same runs; equal detectors of several are one in the table.
    """
    rows = []
    pairs: dict[tuple[int, int], list[str]] = {}
    start = share_equal(before)
    of_run = {m.run: m.detector for m in start.members}
    for n in after.members:
        pairs.setdefault((of_run[n.run], n.detector), []).append(n.run)
    for k, ((first, last), of) in enumerate(pairs.items()):
        runs = ", ".join(dict.fromkeys(of))
        old, new = start.detectors[first], after.detectors[last]
        for i, (p, q) in enumerate(zip(old.panels, new.panels, strict=True)):
            shift = q.centre - p.centre
            rotation = q.axes.T @ p.axes
            rows.append(
                {"detector": k, "run": runs, "panel": i, "name": q.name, "distance_mm": q.distance}
                | {f"shift_{a}_mm": float(v) for a, v in zip("xyz", shift, strict=True)}
                | {
                    f"rotation_{a}_mrad": float(v / MRAD)
                    for a, v in zip("xyz", rotation_vector(rotation), strict=True)
                }
            )
    headings = {
        "detector": ("Detector", ""),
        "run": ("Run", ""),
        "panel": ("Panel", ""),
        "name": ("Name", ""),
    }
    headings |= {"distance_mm": ("Distance\n(mm)", ".4f")}
    headings |= {f"shift_{a}_mm": (f"Shift {a}\n(mm)", ".4f") for a in "xyz"}
    headings |= {f"rotation_{a}_mrad": (f"Rotation {a}\n(mrad)", ".4f") for a in "xyz"}
    return Table(name="panels", title="Panels, against the start", rows=rows, headings=headings)

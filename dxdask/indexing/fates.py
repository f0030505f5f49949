"""What became of each spot and of each run in indexing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.fate import SpotFate
from dxdask.indexing.max_cell import in_ice_ring
from dxdask.models import ExperimentList
from dxdask.tables import Table

_HEADINGS = {
    SpotFate.INDEXED: "indexed",
    SpotFate.OUTLIER: "indexed,\noutlier",
    SpotFate.OFF_LATTICE: "off the\nlattice",
    SpotFate.ICE_RING: "on an\nice ring",
    SpotFate.REPEATED: "repeated",
    SpotFate.BETWEEN_LATTICES: "between\nlattices",
    SpotFate.BEYOND_D_MIN: "beyond\nd_min",
    SpotFate.DISCONNECTED: "not con-\nnected",
    SpotFate.NO_LATTICE: "no\nlattice",
}


def with_fates(reflections: Reflections) -> Reflections:
    """Return the table with the final column `fate`.

    reflections : with the fate of the assignment of indices, flags after refinement, and rlp.
    Outliers of the refinement, and spots off the lattice on ice rings, are set apart.
    """
    fate = reflections["fate"].copy()
    indexed = has_flag(reflections, Flag.INDEXED)
    # spots of a lattice that was given up again
    fate[~indexed & (fate == SpotFate.INDEXED)] = SpotFate.OFF_LATTICE
    fate[indexed & has_flag(reflections, Flag.CENTROID_OUTLIER)] = SpotFate.OUTLIER
    off = (fate == SpotFate.OFF_LATTICE) | (fate == SpotFate.DISCONNECTED)
    fate[off & in_ice_ring(reflections["rlp"])] = SpotFate.ICE_RING
    return reflections | {"fate": fate}


def fates_table(
    reflections: Reflections, experiments: ExperimentList, reasons: Mapping[str, str] | None = None
) -> Table:
    """Return the table of the spots of each run by their fate; the counts add up to `n_spots`.

    reflections : with fate. reasons : why a run is not indexed, by run.
    """
    reasons = reasons or {}
    of_run = experiments.run_indices[reflections["experiment"]]
    rows = []
    for number, run in enumerate(experiments.runs):
        fates = reflections["fate"][of_run == number]
        counts = np.bincount(fates, minlength=len(SpotFate))
        row: dict[str, object] = {"run": run, "n_spots": len(fates)}
        row |= {f"n_{fate.name.lower()}": int(counts[fate]) for fate in _HEADINGS}
        rows.append(row | {"reason": reasons.get(run, "")})
    headings = {"run": ("Run", ""), "n_spots": ("spots", "")}
    headings |= {f"n_{fate.name.lower()}": (text, "") for fate, text in _HEADINGS.items()}
    headings |= {"reason": ("Why not indexed", "")}
    return Table(name="fates", title="Fates of the spots", rows=rows, headings=headings)

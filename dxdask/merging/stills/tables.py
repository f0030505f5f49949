"""Tables of the cycles of post-refinement and of the stills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.merging.stills.cycles import PostRefined, Progress
from dxdask.merging.stills.fit import ROTATION, STRETCH, TAIL
from dxdask.merging.stills.observations import StillObservations
from dxdask.models import ExperimentList
from dxdask.still_columns import Stills
from dxdask.tables import Table

MOST_PRINTED = 60
"""Longest table of stills that is printed; a longer one is stored only."""
_OF_STILLS = {
    "n_obs": ("#obs", ""),
    "scale": ("scale", ".4f"),
    "b_factor": ("B\nA^2", ".2f"),
    "rlp_radius": ("radius\n1/A", ".2e"),
    "mosaicity": ("mosaicity\ndegree", ".4f"),
    "tail": ("tail", ".3f"),
    "rotation": ("rotation\ndegree", ".4f"),
    "stretch": ("stretch\n%", ".3f"),
    "error": ("error of\npartiality", ".4f"),
    "cc_to_others": ("CC to\nothers", ".3f"),
}
_OF_CYCLES = {
    "change": ("change of\nscales", ".4f"),
    "residual": ("residual", ".4f"),
    "error_of_scale": ("error of\nscale", ".4f"),
    "error_of_rotation": ("error of\nrotation, degree", ".4f"),
    "error_of_tail": ("error of\ntail", ".4f"),
    "radius": ("radius\n1/A", ".3e"),
}


def cycles_table(progress: Sequence[Progress]) -> Table:
    """Return the table `cycles`, a row of `Progress` for each cycle."""
    rows = [{"cycle": i, **p._asdict()} for i, p in enumerate(progress, start=1)]
    return Table(name="cycles", title="Post-refinement", rows=rows, headings=_OF_CYCLES)


def stills_table(
    stills: Stills, experiments: ExperimentList, o: StillObservations, refined: PostRefined,
    cc: Mapping[int, float],
) -> Table:  # fmt: skip
    """Return the table `stills`, a row for each still with observations, also those rejected.

    stills : with the refined parameters. cc : correlation with the others, by row of `stills`.
    """
    theta = refined.fitted.theta
    columns = {
        "n_obs": np.diff(o.starts),
        "scale": stills["scale"][o.stills],
        "b_factor": stills["b_factor"][o.stills],
        "rlp_radius": stills["rlp_radius"][o.stills],
        "mosaicity": stills["rlp_mosaicity"][o.stills],
        "tail": np.exp(theta[:, TAIL]),
        "rotation": np.degrees(np.linalg.norm(theta[:, ROTATION : ROTATION + 2], axis=1)),
        "stretch": 100 * theta[:, STRETCH],
        "error": refined.error.factors * refined.error.parts[0],
    }
    known = {
        still: dict(zip(columns, values, strict=True))
        for still, *values in zip(
            o.stills.tolist(), *(c.tolist() for c in columns.values()), strict=True
        )
    }
    none: dict[str, Any] = dict.fromkeys(columns)
    rows = [
        {
            "run": experiments[int(stills["experiment"][i])].run,
            "image": int(stills["image"][i]) + 1,
            **known.get(i, none),
            "cc_to_others": value if np.isfinite(value) else None,
        }
        for i, value in cc.items()
    ]
    printed = len(rows) <= MOST_PRINTED
    title = "Stills that were merged"
    return Table(name="stills", title=title, rows=rows, headings=_OF_STILLS, printed=printed)

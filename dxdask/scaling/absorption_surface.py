"""The absorption of a crystal by direction, from the harmonics of the scaling model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import ExperimentList
from dxdask.scaling.components import AbsorptionComponent
from dxdask.scaling.harmonics import mean_harmonics, n_harmonics
from dxdask.scaling.scaled import Scaled
from dxdask.tables import Table


def absorption_table(scaled: Scaled, experiments: ExperimentList) -> tuple[Table, ...]:
    """Return the table `absorption`, a row a harmonic; nothing where the model has none."""
    found = [c for c in scaled.model.components if isinstance(c, AbsorptionComponent)]
    if not found or not any(found[0].experiments):
        return ()
    orders = [(l, m) for l in range(1, found[0].l_max + 1) for m in range(-l, l + 1)]
    rows = [
        {"experiment": i, "run": experiments[i].run, "l": l, "m": m, "coefficient": float(value)}
        for i, own in enumerate(scaled.model.of("absorption", scaled.parameters))
        for (l, m), value in zip(orders, own, strict=False)
    ]
    title = "Coefficients of the spherical harmonics of absorption (logarithm of the scale)"
    headings = {"coefficient": ("coefficient", ".6f")}
    return (Table(name="absorption", title=title, rows=rows, headings=headings, printed=False),)


def absorption_surface(rows: Sequence[Mapping[str, Any]], directions: Floats) -> dict[int, Floats]:
    """Return the inverse scale by absorption (n,) of each experiment, where both rays have one v.

    The scale of an observation is the geometric mean of two such values: at v = s0 and at v = -s1.

    Parameters
    ----------
    rows : of the table `absorption`: experiment, l, m, coefficient.
    directions : (n, 3) unit vectors v in the Cartesian frame of the crystal, a along x.
    """
    of: dict[int, list[float]] = {}
    for row in rows:
        of.setdefault(int(row["experiment"]), []).append(float(row["coefficient"]))
    found = {}
    for experiment, coefficients in of.items():
        l_max = int(np.sqrt(len(coefficients) + 1)) - 1
        if n_harmonics(l_max) != len(coefficients):
            raise ValueError(f"{len(coefficients)} are not the harmonics from l = 1 to one l_max")
        design = mean_harmonics(directions, directions, l_max)
        found[experiment] = np.exp(design @ np.array(coefficients))
    return found

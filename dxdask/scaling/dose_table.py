"""The decay of intensities with dose, a row a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import ExperimentList
from dxdask.scaling.dose import DoseComponent
from dxdask.scaling.scaled import Scaled
from dxdask.scaling.variables import Variables
from dxdask.tables import Table


def dose_table(scaled: Scaled, experiments: ExperimentList) -> tuple[Table, ...]:
    """Return the table `dose_decay`; nothing where the model has no such component.

    Intensities are relative to no dose, at the resolution limit of the observations.
    """
    found = [
        c for c in scaled.model.components if isinstance(c, DoseComponent) and c.doses is not None
    ]
    if not found:
        return ()
    d_min = float(scaled.observations.d.min())
    rows = [_row(scaled, found[0], i, d_min, e.run) for i, e in enumerate(experiments)]
    headings = {
        "dose_start": ("dose\nfirst", ".4g"),
        "dose_end": ("dose\nlast", ".4g"),
        "b_per_dose": ("B a unit\nof dose", ".4g"),
        "b_start": ("B first", ".2f"),
        "b_end": ("B last", ".2f"),
        "i_start": ("I/I0\nfirst", ".3f"),
        "i_end": ("I/I0\nlast", ".3f"),
    }
    title = (
        f"Decay with dose ({found[0].dose_unit}); intensities at {d_min:.2f} A relative to no dose"
    )
    return (Table(name="dose_decay", title=title, rows=rows, headings=headings),)


def _row(
    scaled: Scaled, component: DoseComponent, experiment: int, d_min: float, run: str
) -> dict[str, Any]:
    dose = (component.doses or ())[experiment]
    ends = dose.edges[[0, -1]]
    log = _log_decay(scaled, component, experiment, ends, d_min)
    first, last = float(dose.dose[0]), float(dose.dose[-1])
    b = log * 2.0 * d_min**2
    return {
        "run": run,
        "dose_start": first,
        "dose_end": last,
        "b_per_dose": None if component.linear else -float(b[1] / last) if last else 0.0,
        "b_start": None if component.linear else -float(b[0]),
        "b_end": None if component.linear else -float(b[1]),
        "i_start": float(np.exp(log[0])),
        "i_end": float(np.exp(log[1])),
    }


def _log_decay(
    scaled: Scaled, component: DoseComponent, experiment: int, z: Floats, d: float
) -> Floats:
    """Return the logarithm of the decay (n,) at z (n,), images, and one resolution."""
    n = len(z)
    place = scaled.model.part(component.name) or slice(0)
    index, value = component.design(
        Variables(experiment=np.full(n, experiment, np.int32), z=z, d=np.full(n, d))
    )
    return np.asarray(scaled.parameters[place][index[:, 0]] * value[:, 0])

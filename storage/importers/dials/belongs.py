"""Check that reflections belong to the models that they are given with.

Identifiers tell, where files have them; older ones do not, and ids count experiments of any list.
Positions must then lie on the panels and in the scan, diffracted beams have the wavelength, and
indices the cell.
"""

from __future__ import annotations

import numpy as np

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.models.symmetry import spacings
from dxdask.storage.importers.dials.jobs import DialsJob

_MARGIN = 2.0  # pixels or images
_OUTSIDE = 0.05  # fraction of reflections that may lie outside
_WAVELENGTH = 1e-3  # relative
_CELL = 0.05  # relative, of spacings: cells are refined after indexing


def require_belongs(job: DialsJob, rows: Reflections) -> None:
    """Check that reflections fit their experiments, wherever they can be compared.

    Raises
    ------
    InputError
        They do not; the message has what differs.
    """
    for i, experiment in enumerate(job.models.experiments):
        mine = np.flatnonzero(rows["experiment"] == i)
        if not len(mine):
            continue
        own = {name: values[mine] for name, values in rows.items()}
        found = _outside(own, experiment) or _wavelength(own, experiment) or _cell(own, experiment)
        if found:
            raise InputError(
                f"{job.table_path} and {job.path} do not belong together: {found}; "
                "give the .expt that was written with it"
            )


def _outside(rows: Reflections, experiment: Experiment) -> str | None:
    names = ("x", "y", "z") if "x" in rows else ("x_cal", "y_cal", "z_cal")
    if any(name not in rows for name in names):
        return None
    sizes = np.array([p.image_size for p in experiment.detector.panels], dtype=np.float64)
    size = sizes[rows["panel"]]
    x, y, z = (rows[name] for name in names)
    out = (x < -_MARGIN) | (y < -_MARGIN)
    out |= (x > size[:, 0] + _MARGIN) | (y > size[:, 1] + _MARGIN)
    if out.mean() > _OUTSIDE:
        return f"{int(out.sum())} of {len(out)} reflections are outside of their panels"
    if experiment.scan is None:
        return None
    first, last = experiment.scan.array_range
    out = (z < first - _MARGIN) | (z > last + _MARGIN)
    if out.mean() > _OUTSIDE:
        n = int(out.sum())
        return f"{n} of {len(out)} reflections are outside of images {first + 1} to {last}"
    return None


def _wavelength(rows: Reflections, experiment: Experiment) -> str | None:
    if "s1" not in rows:
        return None
    length = np.linalg.norm(rows["s1"], axis=1)
    length = length[np.isfinite(length) & (length > 0)]
    if not len(length):
        return None
    wavelength = 1.0 / float(np.median(length))
    if abs(wavelength / experiment.beam.wavelength - 1.0) < _WAVELENGTH:
        return None
    return f"wavelengths are {wavelength:.5f} and {experiment.beam.wavelength:.5f} A"


def _cell(rows: Reflections, experiment: Experiment) -> str | None:
    if experiment.crystal is None or "hkl" not in rows:
        return None
    seen = _spacings_seen(rows)
    if seen is None:
        return None
    good = rows["hkl"].any(axis=1) & np.isfinite(seen) & (seen > 0)
    if not good.any():
        return None
    expected = spacings(rows["hkl"][good], experiment.crystal.gemmi_cell)
    ratio = float(np.median(np.abs(seen[good] / expected - 1.0)))
    if ratio < _CELL:
        return None
    return f"spacings differ from those of the cell by {100 * ratio:.0f} %"


def _spacings_seen(rows: Reflections) -> np.ndarray | None:
    if "d" in rows:
        return rows["d"]
    if "rlp" not in rows:
        return None
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.linalg.norm(rows["rlp"], axis=1))

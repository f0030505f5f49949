"""Observations that another program corrected, as rows of `integrate` and of `scale`.

Intensities in such files are corrected, whereas dxdask keeps them as summed, with the factors that
correct them: what is stored is divided by the factors of the file, so that it comes out as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check
from dxdask.models import Beam, Crystal, Detector, Panel
from dxdask.models.symmetry import spacings
from dxdask.tables import Table

_AT_LEAST = 50
_DISTANCE_ERROR = 0.02  # relative, of the fit of positions to angles


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Observations of one run (n,).

    Attributes
    ----------
    hkl : (n, 3) int32, as measured.
    intensity, sigma : corrected (and scaled) by the program, of the fraction that is recorded.
    fraction : recorded, 0 to 1. lp, qe, scale : factors that the intensity was corrected by; the
        scale divides.
    x, y : on the detector, pixels; None where not known. z : image, from 0.
    outlier : rejected by the program.
    """

    hkl: NDArray[np.int32]
    intensity: Floats
    sigma: Floats
    fraction: Floats
    lp: Floats
    qe: Floats
    scale: Floats
    z: Floats
    x: Floats | None = None
    y: Floats | None = None
    outlier: NDArray[np.bool_] | None = None

    def table(self, run: str, reasons: Mapping[str, int]) -> Table:
        """Return the table of the numbers of reflections that were imported and left out."""
        rows: list[dict[str, Any]] = [{"run": run, "reason": "imported", "n": len(self.hkl)}]
        rows += [{"run": run, "reason": reason, "n": n} for reason, n in reasons.items()]
        return Table(name="imported", title="Imported reflections", rows=rows)


def result_table(observed: Observed, step: str) -> Reflections:
    """Return the rows as the result of `integrate` or `scale`, of one experiment."""
    n = len(observed.hkl)
    factor = observed.scale * observed.qe / observed.lp
    flags = np.full(n, Flag.PREDICTED | Flag.OBSERVED | Flag.INDEXED | Flag.INTEGRATED_SUM)
    table: Reflections = {
        "experiment": np.zeros(n, dtype=np.int32),
        "panel": np.zeros(n, dtype=np.int32),
        "hkl": observed.hkl,
        "flags": flags.astype(np.uint32),
        "z_cal": observed.z,
        "intensity_sum": observed.intensity * factor,
        "intensity_sum_variance": (observed.sigma * factor) ** 2,
        "partiality": observed.fraction,
        "lp": observed.lp,
        "qe": observed.qe,
    }
    for name, values in (("x_cal", observed.x), ("y_cal", observed.y)):
        table[name] = np.zeros(n) if values is None else values
    if step == "scale":
        table["scale"] = observed.scale
        table["intensity"] = observed.intensity / observed.fraction
        table["intensity_variance"] = (observed.sigma / observed.fraction) ** 2
        state = np.full(n, Flag.SCALED, dtype=np.uint32)
        if observed.outlier is not None:
            state[observed.outlier] = Flag.OUTLIER_IN_SCALING
        table["flags"] = table["flags"] | state
    return check(table)


def detector_from_positions(
    observed: Observed, beam: Beam, crystal: Crystal, distance: float, size: tuple[int, int]
) -> tuple[Detector, str]:
    """Return a detector normal to the beam, and a line to report where it is not known.

    Pixel size and beam centre follow from positions and scattering angles: the squared distance of
    a spot from the beam centre is linear in them. The directions of the axes are not known.

    distance : mm. size : (fast, slow) pixels; 0: as far as reflections are seen.
    """
    unknown = Detector(panels=()), "position and size of the detector are not in the file"
    if observed.x is None or observed.y is None or len(observed.hkl) < _AT_LEAST or distance <= 0:
        return unknown
    x, y = observed.x, observed.y
    radius = _radii(observed.hkl, crystal, beam, distance)
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(radius)
    if good.sum() < _AT_LEAST:
        return unknown
    x, y, radius = x[good], y[good], radius[good]
    design = np.stack([2 * x, 2 * y, radius**2, np.ones_like(x)], axis=1)
    scale = np.maximum(np.abs(design).max(axis=0), 1e-30)
    found = np.linalg.lstsq(design / scale, x**2 + y**2, rcond=None)[0] / scale
    x0, y0, per_mm2 = found[:3].tolist()
    residual = np.abs(np.hypot(x - x0, y - y0) - radius * np.sqrt(max(per_mm2, 0.0)))
    if per_mm2 <= 0 or np.median(residual) > _DISTANCE_ERROR * np.median(np.hypot(x - x0, y - y0)):
        return unknown
    pixel = float(per_mm2**-0.5)
    width, height = (n or int(np.ceil(v.max())) for n, v in zip(size, (x, y), strict=True))
    panel = Panel(
        name="detector",
        origin=(-x0 * pixel, y0 * pixel, -distance),
        pixel_size=(pixel, pixel),
        image_size=(max(width, 1), max(height, 1)),
    )
    return Detector(panels=(panel,)), ""


def _radii(hkl: NDArray[np.int32], crystal: Crystal, beam: Beam, distance: float) -> Floats:
    """Return distances (n,) from the beam centre on a detector normal to the beam, mm."""
    cell = gemmi.UnitCell(*crystal.unit_cell)
    known = np.asarray(hkl.any(axis=1))
    d = spacings(np.where(known[:, None], hkl, 1), cell)
    sine = beam.wavelength / (2 * d)
    with np.errstate(invalid="ignore"):
        return np.asarray(distance * np.tan(2 * np.arcsin(np.where(sine < 0.7, sine, np.nan))))

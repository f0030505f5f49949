"""Frames of stills painted from predictions: spots of known photons on a known background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from support.made_up_stills import CELL, panels

from dxdask.columns import Flag, Reflections
from dxdask.integration.corrections import polarisation
from dxdask.integration.stills.context import StillsContext, stills_context
from dxdask.models import Beam, Detector
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.prediction.stills.predict_still import Predictions, predict_still
from dxdask.prediction.stills.spread import Spread, spread_of
from dxdask.still_columns import Stills

WAVELENGTH = 1.31
D_MIN = 4.3
SIZE, MOSAICITY, BANDWIDTH = 600.0, 0.02, 0.002
SPREAD = spread_of(SIZE, MOSAICITY, BANDWIDTH)


def orientation(seed: int) -> NDArray[np.float64]:
    """Return A (3, 3) of a crystal in an orientation drawn."""
    return rotation_matrices(np.random.default_rng(seed).normal(0, 2, (1, 3)))[0] @ b_matrix(CELL)


def common(detector: Detector | None = None, **changed: object) -> StillsContext:
    """Return the setup of the painted stills; `changed` goes to every panel."""
    base = detector or panels()
    own = tuple(replace(p, **changed) for p in base.panels)  # type: ignore[arg-type]
    beam = Beam(wavelength=1.3, polarization_fraction=1.0)
    return stills_context(replace(base, panels=own), beam, "P 43 21 2", d_min=D_MIN)


@dataclass(frozen=True)
class Painted:
    """A frame, what is predicted on it, and the photons (n,) that each reflection should give."""

    frame: NDArray[np.int32]
    a_matrix: NDArray[np.float64]
    found: Predictions
    photons: NDArray[np.float64]
    full: NDArray[np.float64]


def painted(
    seed: int = 0,
    *,
    scale: float = 300.0,
    background: float = 1.0,
    slope: float = 0.0,
    spread: Spread = SPREAD,
    shift: tuple[float, float] = (0.0, 0.0),
    detector: Detector | None = None,
) -> Painted:
    """Return a frame of spots that are normal distributions, photons drawn one by one.

    Full intensities are drawn as those of acentric reflections. slope : of the background along
    fast, counts a pixel and pixel. shift : of all spots, px.
    """
    rng = np.random.default_rng(seed + 1000)
    shared, a_matrix = common(detector), orientation(seed)
    found = predict_still(a_matrix, WAVELENGTH, shared, spread, n_sigma=4.0)
    full = scale * rng.exponential(1.0, len(found.d))
    photons = full * found.partiality * polarisation(found.s1, shared.beam)
    shape = (detector or panels()).frame_shape
    level = background + slope * (np.arange(shape[1]) - shape[1] / 2)
    # scattering off a jet is polarised as that off crystals; here it is flat to keep it simple
    frame = rng.poisson(np.broadcast_to(np.maximum(level, 0.0), shape)).astype(np.int32)
    offset = shared.panels.offset[found.panel]
    size = shared.panels.image_size[found.panel]
    for i, n in enumerate(rng.poisson(photons)):
        xx, xy, yy = found.covariance[i]
        middle = (found.x[i] + shift[0], found.y[i] + shift[1])
        at = np.floor(rng.multivariate_normal(middle, [[xx, xy], [xy, yy]], n)).astype(int)
        at = at[np.all((at >= 0) & (at < size[i]), axis=1)] + offset[i]
        np.add.at(frame, (at[:, 1], at[:, 0]), 1)
    return Painted(frame, a_matrix, found, photons, full)


def table_of(*shots: Painted) -> Stills:
    """Return the table of stills of these shots, the widths not known."""
    n = len(shots)
    return {
        "experiment": np.zeros(n, np.int32),
        "image": np.arange(n, dtype=np.int32),
        "indexed": np.ones(n, np.bool_),
        "wavelength": np.full(n, WAVELENGTH),
        "a_matrix": np.array([s.a_matrix for s in shots]),
    }


def strong_spots(*shots: Painted, shift: tuple[float, float] = (0.0, 0.0)) -> Reflections:
    """Return the indexed spots of more than 50 photons, as spot finding gives them."""
    tables = []
    for i, shot in enumerate(shots):
        rows = np.flatnonzero(shot.photons > 50)
        n = len(rows)
        tables.append(
            {
                "panel": shot.found.panel[rows],
                "hkl": shot.found.hkl[rows],
                "flags": np.full(n, Flag.STRONG | Flag.INDEXED, np.uint32),
                "x": shot.found.x[rows] + shift[0],
                "y": shot.found.y[rows] + shift[1],
                "z": np.full(n, i + 0.5),
            }
        )
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}

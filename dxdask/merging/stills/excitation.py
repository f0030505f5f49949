"""How far lattice points of stills lie from the Ewald sphere, and how that changes."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats


def excitation(q: Floats, s0: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Return |s0 + q| - |s0| (n,) and its gradient (n, 3), 1/A.

    q, s0 : (n, 3), 1/A. axes : (n, 2, 3) of turns, by which (rad) the gradient is; its third part
    is by a stretch of q.
    """
    s1 = q + s0
    length = np.linalg.norm(s1, axis=1)
    s1 /= length[:, None]
    turns = np.einsum("nki,ni->nk", np.cross(axes, q[:, None, :]), s1)
    stretch = np.einsum("ni,ni->n", q, s1)
    error = length - np.linalg.norm(s0, axis=1)
    return error, np.concatenate([turns, stretch[:, None]], axis=1)


def across(beam: Floats) -> Floats:
    """Return two unit vectors (2, 3) at right angles to the beam (3,) and each other."""
    first = np.cross(beam, np.eye(3)[np.argmin(np.abs(beam))])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(beam, first)])

"""Excitation errors of the lattice points of stills, and their gradients."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats


def excitation(q: Floats, s0: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Return |s0 + q| - |s0| (n,) and its gradient (n, 3), 1/A.

    The gradient is with respect to rotations (rad) about the two axes and to a stretch of q.

    q, s0 : (n, 3), 1/A. axes : (n, 2, 3) unit vectors.
    """
    s1 = q + s0
    length = np.linalg.norm(s1, axis=1)
    s1 /= length[:, None]
    by_rotations = np.einsum("nki,ni->nk", np.cross(axes, q[:, None, :]), s1)
    by_stretch = np.einsum("ni,ni->n", q, s1)
    error = length - np.linalg.norm(s0, axis=1)
    return error, np.concatenate([by_rotations, by_stretch[:, None]], axis=1)


def across(beam: Floats) -> Floats:
    """Return two unit vectors (2, 3) at right angles to the beam (3,) and each other."""
    first = np.cross(beam, np.eye(3)[np.argmin(np.abs(beam))])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(beam, first)])

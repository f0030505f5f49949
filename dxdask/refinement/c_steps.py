"""C-steps: subsets of observations whose covariance has a smaller and smaller determinant.

Kernels of the minimum covariance determinant for three dimensions (Rousseeuw & Van Driessen, 1999,
Technometrics 41, 212, theorem 1): the h observations nearest to a centre, in the metric of a
covariance, have a centre and covariance whose determinant is not larger.
"""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def smallest(values: Any, k: Any, work: Any) -> Any:
    """Return the k-th smallest (from 1) of values (n,), by Hoare's quickselect on work (n,)."""
    n = values.shape[0]
    for i in range(n):
        work[i] = values[i]
    low, high = 0, n - 1
    while low < high:
        pivot = work[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while work[i] < pivot:
                i += 1
            while work[j] > pivot:
                j -= 1
            if i <= j:
                work[i], work[j] = work[j], work[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    return work[k - 1]


@njit(cache=True, nogil=True, error_model="numpy")
def moments(x: Any, distance: Any, limit: Any, centre: Any, covariance: Any) -> None:
    """Fill centre (3,) and covariance (3, 3) of the rows of x (n, 3) whose distance is <= limit."""
    count = 0
    centre[:] = 0.0
    covariance[:] = 0.0
    for i in range(x.shape[0]):
        if distance[i] <= limit:
            count += 1
            for a in range(3):
                centre[a] += x[i, a]
    for a in range(3):
        centre[a] /= count
    for i in range(x.shape[0]):
        if distance[i] <= limit:
            for a in range(3):
                for b in range(a + 1):
                    covariance[a, b] += (x[i, a] - centre[a]) * (x[i, b] - centre[b])
    for a in range(3):
        for b in range(a + 1):
            covariance[a, b] /= max(count - 1, 1)
            covariance[b, a] = covariance[a, b]


@njit(cache=True, nogil=True, error_model="numpy")
def distances(x: Any, centre: Any, covariance: Any, out: Any) -> Any:
    """Fill out (n,) with squared Mahalanobis distances; return det(covariance), 0 if singular."""
    c = covariance
    i00 = c[1, 1] * c[2, 2] - c[1, 2] * c[1, 2]
    i01 = c[0, 2] * c[1, 2] - c[0, 1] * c[2, 2]
    i02 = c[0, 1] * c[1, 2] - c[0, 2] * c[1, 1]
    det = c[0, 0] * i00 + c[0, 1] * i01 + c[0, 2] * i02
    if not det > 1e-12 * c[0, 0] * c[1, 1] * c[2, 2]:
        return 0.0
    i11 = (c[0, 0] * c[2, 2] - c[0, 2] * c[0, 2]) / det
    i12 = (c[0, 1] * c[0, 2] - c[0, 0] * c[1, 2]) / det
    i22 = (c[0, 0] * c[1, 1] - c[0, 1] * c[0, 1]) / det
    i00, i01, i02 = i00 / det, i01 / det, i02 / det
    for n in range(x.shape[0]):
        u, v, w = x[n, 0] - centre[0], x[n, 1] - centre[1], x[n, 2] - centre[2]
        out[n] = (
            i00 * u * u
            + i11 * v * v
            + i22 * w * w
            + 2.0 * (i01 * u * v + i02 * u * w + i12 * v * w)
        )
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def c_steps(
    x: Any, h: Any, n_steps: Any, centre: Any, covariance: Any, distance: Any, work: Any
) -> Any:
    """Do up to n_steps C-steps from centre, covariance, in place; return the determinant."""
    before = np.inf
    det = distances(x, centre, covariance, distance)
    for _ in range(n_steps):
        if det == 0.0 or det == before:
            break
        before = det
        moments(x, distance, smallest(distance, h, work), centre, covariance)
        det = distances(x, centre, covariance, distance)
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def keep(det: Any, centre: Any, covariance: Any, dets: Any, centres: Any, covariances: Any) -> None:
    """Insert a candidate into the list (k,) sorted by determinant if it is among the best k."""
    last = dets.shape[0] - 1
    if det == 0.0 or det >= dets[last]:
        return
    place = last
    while place > 0 and dets[place - 1] > det:
        dets[place] = dets[place - 1]
        centres[place] = centres[place - 1]
        covariances[place] = covariances[place - 1]
        place -= 1
    dets[place] = det
    centres[place] = centre
    covariances[place] = covariance


@njit(cache=True, nogil=True, error_model="numpy")
def from_subsets(
    x: Any, subsets: Any, h: Any, n_steps: Any, dets: Any, centres: Any, covariances: Any
) -> None:
    """Improve the moments of the rows of each trial in subsets (t, 4); keep the best."""
    n = x.shape[0]
    distance, work = np.empty(n), np.empty(n)
    centre, covariance = np.empty(3), np.empty((3, 3))
    few, ones = np.empty((subsets.shape[1], 3)), np.ones(subsets.shape[1])
    for t in range(subsets.shape[0]):
        for i in range(subsets.shape[1]):
            few[i] = x[subsets[t, i]]
        moments(few, ones, 2.0, centre, covariance)
        det = c_steps(x, h, n_steps, centre, covariance, distance, work)
        keep(det, centre, covariance, dets, centres, covariances)


@njit(cache=True, nogil=True, error_model="numpy")
def from_candidates(
    x: Any, starts: Any, start_covariances: Any, h: Any, n_steps: Any, dets: Any, centres: Any,
    covariances: Any,
) -> None:  # fmt: skip
    """Improve each of the moments given, over all rows of x (n, 3); keep the best."""
    n = x.shape[0]
    distance, work = np.empty(n), np.empty(n)
    centre, covariance = np.empty(3), np.empty((3, 3))
    for t in range(starts.shape[0]):
        centre[:] = starts[t]
        covariance[:] = start_covariances[t]
        det = c_steps(x, h, n_steps, centre, covariance, distance, work)
        keep(det, centre, covariance, dets, centres, covariances)
